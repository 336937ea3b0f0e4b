import { request as httpRequest } from 'node:http';
import { platform } from './api.ts';

/**
 * Sends a body as it is, with headers as they are, and takes the answer even when it comes before the body is sent.
 *
 * @param body bytes, or a function that writes on until it returns false.
 */
export function sendBytes(
  path: string,
  body: Buffer | ((write: (chunk: Buffer) => boolean) => boolean),
  headers: Record<string, string> = {},
  method = 'POST',
): Promise<{ status: number; body: Record<string, never> }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${platform.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${platform.keys.first}`, 'content-type': 'application/json', ...headers },
    });
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.once('end', () => {
        request.destroy();
        resolve({ status: response.statusCode!, body: JSON.parse(Buffer.concat(chunks).toString()) });
      });
    });
    request.once('error', reject);
    if (Buffer.isBuffer(body)) {
      request.end(body);
      return;
    }
    const pump = () => {
      while (body((chunk) => request.write(chunk)));
      if (!request.destroyed) request.once('drain', pump);
    };
    pump();
  });
}
