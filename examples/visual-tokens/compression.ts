/** A client of `POST /v1/visual/compress`, as anybody could write it. */
import type { VisualTokens } from './language-model.ts';
import type { KeptTokens } from './prompt.ts';
import { readSafetensors } from './safetensors.ts';

export interface Platform {
  /** `http://host:port`. */
  readonly url: string;
  readonly key: string;
}

/** What this example reads of the answer; http://127.0.0.1:8080/docs has all of it. */
export interface Compression {
  readonly encoder: string;
  readonly method: string;
  readonly grid: { readonly rows: number; readonly columns: number };
  /** N. */
  readonly tokens: number;
  readonly indices: readonly number[];
  readonly blobId: string;
  readonly allTokensBlobId: string;
  readonly isCached?: boolean;
  readonly costs: readonly { readonly languageModel: string; readonly kept: { readonly parameterFlops: number; readonly cacheBytes: number } }[];
}

/** @throws Error with the platform's own words when it refuses. */
export async function compressPicture(platform: Platform, picture: Uint8Array, tokens: number, method = 'evocut'): Promise<Compression> {
  const body = JSON.stringify({ picture: { base64: Buffer.from(picture).toString('base64') }, budget: { tokens }, method, languageModels: ['llava-1.5-7b'] });
  return (await call(platform, '/v1/visual/compress', { method: 'POST', body, headers: { 'content-type': 'application/json' } })).json() as Promise<Compression>;
}

/** Kept tokens with their places in a picture of `tokens` tokens, from the blob of a compression. */
export async function fetchTokens(platform: Platform, blobId: string, tokens: number): Promise<VisualTokens & KeptTokens> {
  const file = readSafetensors(await (await call(platform, `/v1/blobs/${blobId}`)).bytes());
  return { rows: file.tokens.data as Float32Array, width: file.tokens.shape[1], kept: [...file.indices.data], tokens };
}

async function call({ url, key }: Platform, path: string, { headers, ...request }: RequestInit & { headers?: Record<string, string> } = {}): Promise<Response> {
  const response = await fetch(new URL(path, url), { ...request, headers: { ...headers, authorization: `Bearer ${key}` } });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response;
}
