// `npm run test:schemathesis`: random requests against the running gateway. No 5xx, no answer that openapi.json does not
// describe. Needs schemathesis on the PATH (.ci/tools brings it). When it fails, its report shows the request as a curl.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { startTestPlatform } from '@touchstone/testing';

const collection = 'fuzzed';
const platform = await startTestPlatform({ mode: 'one-process' });
try {
  await platform.ready();
  const key = await platform.createKey('fuzz', ['*']);
  const call = (method: string, path: string, body: object) =>
    fetch(`${platform.url}/v1/collections/${collection}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  await call('PUT', '', {});
  await call('POST', '/items:upsert', { items: [{ id: 'one', title: 'Something to be found' }] });

  const words = [
    'run', `${platform.url}/openapi.json`,
    '--header', `Authorization: Bearer ${key}`,
    '--checks', 'all',
    // What a wrong key gets is in security-matrix.e2e.ts. Requests that fit the schema may break a rule that no schema
    // can say: an item without anything to embed, a text in the space of pictures.
    '--exclude-checks', 'ignored_auth,positive_data_acceptance',
    // It would take away the key that it calls with.
    '--exclude-operation-id', 'KeyService.RevokeKey',
    '--exclude-operation-id', 'KeyService.RotateKey',
    // It would leave its tenant no requests.
    '--exclude-operation-id', 'TenantService.SetTenantLimits',
    // Its answer is what somebody stored, under the media type that they named.
    '--exclude-operation-id', 'BlobService.GetBlob',
    '--exclude-operation-id', 'ItemService.GetItemImage',
    // Of drafts for deeply nested messages it throws many away; that says nothing of the platform.
    '--suppress-health-check', 'filter_too_much',
    '--phases', 'examples,coverage,fuzzing,stateful',
    '--max-examples', '50',
    '--max-time', '90',
    '--request-timeout', '30',
    '--seed', process.env.TOUCHSTONE_SEED ?? String(Date.now() % 1_000_000),
  ];
  const child = spawn('schemathesis', words, { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = await once(child, 'exit'); // Throws when it cannot be started.
  process.exitCode = code === 0 ? 0 : 1;
} finally {
  await platform.stop();
}
