import { startTestPlatform, type TestPlatform } from '@touchstone/testing';
import { expect, it, onTestFinished } from 'vitest';
import { record } from './fault-results.ts';
import { Traffic } from './traffic.ts';

const tenMinutesMs = 600_000;

/** Two of each service. */
async function start(environmentOf?: (service: string, replica: number) => NodeJS.ProcessEnv): Promise<TestPlatform> {
  const platform = await startTestPlatform({ mode: 'replicas', environmentOf });
  onTestFinished(() => platform.stop());
  return platform;
}

const of = ({ processes }: TestPlatform, service: string) => processes.filter(({ services }) => services.includes(service));

const clock = (shiftMs: number): NodeJS.ProcessEnv => ({ CLOCK_SHIFT_MS: String(shiftMs), NODE_OPTIONS: `--import=${new URL('./shifted-clock.mjs', import.meta.url).href}` });

const parts = async (url: string) => (await (await fetch(`${url}/readyz`)).json()) as { status: string; parts: { part: string; isReady: boolean; detail?: string }[] };

it('one of two replicas of a service is killed, then one of two gateways: clients try again and nothing is lost', async (context) => {
  const platform = await start();
  await platform.ready();
  const traffic = await Traffic.begin(platform.url, await platform.createKey('replicas', ['*']), 'replicas');
  await of(platform, 'retrieval')[0].stop('SIGKILL');
  const serviceMs = await traffic.recovered();
  await of(platform, 'gateway')[0].stop('SIGKILL');
  const gatewayMs = await traffic.recovered();
  await traffic.endAndCheck();
  record(context, { fault: 'one of two replicas killed: of retrieval, then of the gateway', seen: `${traffic}; the gateway's took ${gatewayMs} ms`, recoveryMs: serviceMs, stillWorked: 'everything, by the other replica' });
});

it('clocks ten minutes off that reach into the future of others: all holds, and readiness says whose clock is wrong', async (context) => {
  const platform = await start((service, replica) => (replica === 0 ? {} : clock(service === 'gateway' ? tenMinutesMs : -tenMinutesMs)));
  const traffic = await Traffic.begin(platform.url, await platform.createKey('clocks', ['*']), 'clocks');
  const gateways = of(platform, 'gateway').map(({ url }) => url!);
  const ready = await Promise.all(gateways.map((url) => fetch(`${url}/readyz`)));
  expect(ready.map(({ status }) => status)).toEqual([200, 503]);
  expect((await parts(gateways[1])).parts[0].detail).toMatch(/The clock of this machine is (600|599|601) s ahead of the database’s/);
  const key = await platform.createKey('clocks', ['*']);
  // Both gateways count the same minute of the database, and both know the other's answers.
  const answers = await Promise.all(
    [...gateways, ...gateways].map((url) =>
      fetch(`${url}/v1/collections/clocks/items:upsert`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'idempotency-key': 'one-write' },
        body: JSON.stringify({ items: [{ id: 'item-0', title: 'The first, changed' }] }),
      }),
    ),
  );
  const bodies = await Promise.all(answers.map(async (answer) => ({ status: answer.status, body: await answer.json() })));
  expect(bodies).toEqual(Array(4).fill({ status: 200, body: bodies[0].body }));
  await traffic.endAndCheck(1);
  record(context, { fault: 'clock ten minutes off: a gateway ahead, a replica of retrieval behind', seen: `${traffic}; a write that came four times at once through both gateways had one effect; /readyz says how far each is off`, stillWorked: 'everything; the balancer takes them out' });
});

it('a gateway ten minutes behind: its calls fail closed and say why, and the other one goes on', async (context) => {
  const platform = await start((service, replica) => (service === 'gateway' && replica === 1 ? clock(-tenMinutesMs) : {}));
  const key = await platform.createKey('behind', ['*']);
  const [right, behind] = of(platform, 'gateway').map(({ url }) => url!);
  const traffic = await Traffic.begin(right, key, 'behind');
  const answer = await fetch(`${behind}/v1/collections/behind`, { headers: { authorization: `Bearer ${key}` } });
  expect(answer.status).toBe(503);
  expect(answer.headers.get('retry-after')).toBe('30');
  expect(await answer.json()).toMatchObject({ type: '/problems/unavailable', detail: 'Parts of the platform do not agree about the time or their keys: its operator has to mend that.' });
  expect((await parts(behind)).parts[0].detail).toMatch(/The clock of this machine is (600|599|601) s behind the database’s/);
  const logs = platform.processes.flatMap(({ log }) => log).join('\n');
  expect(logs).toContain('a service refuses the tokens of this gateway: their clocks or their keys differ');
  expect(logs).toMatch(/"expiredForSeconds":5[34]\d,/);
  await traffic.endAndCheck();
  expect(traffic.refusals).toEqual(new Map());
  record(context, { fault: 'clock ten minutes off: a gateway behind', seen: `${traffic} through the other gateway; through this one 503 with Retry-After, /readyz and the log say why`, stillWorked: 'the other gateway' });
});
