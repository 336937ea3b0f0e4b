import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it, vi } from 'vitest';

const answers = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const [host, port] = address.split(':');
    const socket = connect(Number(port), host);
    socket.once('connect', () => (socket.destroy(), resolve(true))).once('error', () => resolve(false));
  });

it('ends with its process, also when that is killed', async () => {
  const child = fork(new URL('./milvus.child.ts', import.meta.url));
  const [address] = (await once(child, 'message')) as [string];
  expect(await answers(address)).toBe(true);
  child.kill('SIGKILL');
  await vi.waitFor(async () => expect(await answers(address)).toBe(false), { timeout: 30_000 });
});
