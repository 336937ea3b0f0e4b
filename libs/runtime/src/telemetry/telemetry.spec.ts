import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished, vi } from 'vitest';
import { currentTraceparent, currentWork, parseTraceparent, span, startSpan, startTracing, within } from './index.ts';
import { type RecordedSpan, recordTo } from './span.ts';

const parent = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', isSampled: true };

function recording(sampleRatio = 1): RecordedSpan[] {
  const spans: RecordedSpan[] = [];
  recordTo({ sampleRatio, record: (recorded) => spans.push(recorded) });
  onTestFinished(() => recordTo(undefined));
  return spans;
}

it.each([
  ['the example of the specification', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', parent],
  ['one that is not recorded', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00', { ...parent, isSampled: false }],
  ['flags of a later specification', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03', parent],
  ['a trace of zeros', '00-00000000000000000000000000000000-b7ad6b7169203331-01', undefined],
  ['a span of zeros', '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01', undefined],
  ['capital letters', '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', undefined],
  ['the forbidden version', 'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', undefined],
  ['more than one header', ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'], undefined],
  ['none', undefined, undefined],
])('reads a traceparent: %s', (_, header, expected) => expect(parseTraceparent(header)).toEqual(expected));

it('makes no span while nobody records, and hands a trace on all the same', async () => {
  expect(startSpan('alone', { beginsTrace: true })).toBeUndefined();
  const header = await within({ span: parent }, () => span('inside', {}, async () => currentTraceparent()));
  expect(header).toBe('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
});

it('makes a span below the current one, also across awaits, and says how it failed without quoting it', async () => {
  const spans = recording();
  const work = within({ span: parent, service: 'retrieval' }, () =>
    span('outer', { attributes: { rows: 3 } }, async () => {
      await new Promise(setImmediate);
      await span('inner', { kind: 'client' }, () => Promise.reject(new RangeError('a secret')));
    }),
  );
  await expect(work).rejects.toThrow('a secret');
  const [inner, outer] = spans;
  expect(outer).toMatchObject({ name: 'outer', parentSpanId: parent.spanId, service: 'retrieval', attributes: { rows: 3 }, error: 'RangeError', context: { traceId: parent.traceId } });
  expect(inner).toMatchObject({ name: 'inner', parentSpanId: outer.context.spanId, kind: 'client', error: 'RangeError' });
  expect(JSON.stringify(spans)).not.toContain('a secret');
  expect(outer.endedAt).toBeGreaterThanOrEqual(inner.endedAt);
  expect(currentWork()).toEqual({});
});

it('begins a trace only where it may, and records as many as were asked for', async () => {
  const spans = recording(0);
  expect(startSpan('a transaction of a poll')).toBeUndefined();
  const open = startSpan('a request', { beginsTrace: true })!;
  expect(open.context.isSampled).toBe(false);
  within({ span: open.context }, () => startSpan('below')!.end());
  open.end();
  expect(spans).toEqual([]);
});

it('keeps spans while the receiver is ill, and sends what is left at the end', async () => {
  const received: string[] = [];
  let answers = 0;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (data) => (body += String(data))).on('end', () => {
      answers += 1;
      const isIll = answers === 1;
      if (!isIll) received.push(`${request.url} ${String(request.headers['x-key'])} ${body}`);
      response.writeHead(isIll ? 503 : 200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const tracing = await startTracing({ endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, headers: 'x-key=a%20b' });
  await span('first', { beginsTrace: true }, async () => undefined);
  await vi.waitFor(() => expect(received).toHaveLength(1), 10_000);
  await span('last', { beginsTrace: true }, async () => undefined);
  await tracing.stop();
  expect(received).toEqual([expect.stringMatching(/^\/v1\/traces a b .*"name":"first"/), expect.stringMatching(/"name":"last"/)]);
  expect(startSpan('afterwards', { beginsTrace: true })).toBeUndefined();
});
