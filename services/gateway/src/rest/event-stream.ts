import { type DescMessage, type Message, toJson } from '@bufbuild/protobuf';
import type { FastifyReply } from 'fastify';

const heartbeatMs = 15_000;

/**
 * Sends messages as server-sent events: `event:` is the case of the message's oneof, `id:` its field `sequence`.
 * The first message is awaited before the headers, so that an error that comes instead of it is an ordinary answer.
 *
 * @param toProblem the document that ends the stream, as `event: problem`, when it fails later on.
 */
export async function sendEvents(
  reply: FastifyReply,
  messages: AsyncIterable<Message>,
  schema: DescMessage,
  toProblem: (error: unknown) => object,
): Promise<void> {
  const iterator = messages[Symbol.asyncIterator]();
  let next = await iterator.next();

  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
  if (raw.req.method === 'HEAD') {
    raw.end();
    await iterator.return?.();
    return;
  }
  raw.flushHeaders();
  const heartbeat = setInterval(() => raw.writableNeedDrain || raw.write(': still here\n\n'), heartbeatMs);
  try {
    const toText = eventText(schema);
    for (; !next.done && !raw.closed; next = await iterator.next()) {
      if (!raw.write(toText(next.value))) await drained(raw);
    }
  } catch (error) {
    if (!raw.closed) raw.write(`event: problem\ndata: ${JSON.stringify(toProblem(error))}\n\n`);
  } finally {
    clearInterval(heartbeat);
    raw.end();
    await iterator.return?.();
  }
}

function eventText(schema: DescMessage): (message: Message) => string {
  const sequence = schema.fields.find(({ name }) => name === 'sequence')?.localName;
  const oneof = schema.oneofs[0];
  const names = new Map(oneof?.fields.map(({ localName, jsonName }) => [localName, jsonName]));
  return (message) => {
    const values = message as unknown as Record<string, { case?: string } | undefined>;
    const name = oneof && names.get(values[oneof.localName]?.case ?? '');
    const id = sequence && values[sequence] !== undefined ? `id: ${String(values[sequence])}\n` : '';
    return `${name ? `event: ${name}\n` : ''}${id}data: ${JSON.stringify(toJson(schema, message, { alwaysEmitImplicit: true }))}\n\n`;
  };
}

/** A slow reader holds the source back; one that left is noticed too. */
function drained(raw: FastifyReply['raw']): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      raw.off('drain', done).off('close', done);
      resolve();
    };
    raw.on('drain', done).on('close', done);
    if (raw.closed) done();
  });
}
