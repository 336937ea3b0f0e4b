import { randomBytes, randomUUID } from 'node:crypto';
import { methodRules } from '@touchstone/contracts';
import { BlobService } from '@touchstone/contracts/gen/touchstone/blobs/v1/blob_pb';
import { AuditService } from '@touchstone/contracts/gen/touchstone/gateway/v1/audit_pb';
import { KeyService } from '@touchstone/contracts/gen/touchstone/gateway/v1/key_pb';
import { TenantService } from '@touchstone/contracts/gen/touchstone/gateway/v1/tenant_pb';
import { OperationService } from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { CompressionService } from '@touchstone/contracts/gen/touchstone/compression/v1/compression_pb';
import { CollectionService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/collection_pb';
import { DuplicateService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/duplicate_pb';
import { GalleryService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/gallery_pb';
import { ImportService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/import_pb';
import { ItemService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import { EvaluationService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/evaluation_pb';
import { ModelVersionService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/model_version_pb';
import { SearchService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import { Ajv2020 } from 'ajv/dist/2020.js';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, newCollection, platform, scanDuplicates } from './api.ts';
import { photo } from './photos.ts';
import { sendBytes } from './send-bytes.ts';

/**
 * OWASP API Security Top 10 (2023) as checks over every operation that the running platform documents. An operation
 * without a row in `requests` fails, so a new one cannot come without its checks.
 */

/**
 * A request that succeeds for the first tenant, unless `status` says otherwise. `{collection}` stands for a collection of
 * that tenant with the item `one`, `{duplicate}` for a pair of duplicates in it, `{gallery}` for one whose references these are,
 * `{compression}` for one of a picture, `{operation}` for an import that has ended, `{cancelled}` for one that was cancelled,
 * `{blob}`, `{upload}` and `{key}` for ones that no other operation's checks touch.
 */
interface SampleRequest {
  readonly path: Readonly<Record<string, string>>;
  /** Sent as JSON, unless it is bytes. */
  readonly body?: object;
  readonly query?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status?: number;
}

const picture = { base64: await photo(0) };

const requests: Readonly<Record<string, SampleRequest>> = {
  'CollectionService.PutCollection': { path: { collection: '{collection}' }, body: {} },
  'CollectionService.GetCollection': { path: { collection: '{collection}' } },
  'DuplicateService.ScanDuplicates': { path: { collection: '{collection}' }, body: {} },
  'DuplicateService.ListDuplicates': { path: { collection: '{collection}' } },
  'DuplicateService.MergeDuplicate': { path: { collection: '{collection}', id: '{duplicate}' }, body: {} },
  'DuplicateService.DismissDuplicate': { path: { collection: '{collection}', id: '{duplicate}' }, body: {} },
  'GalleryService.PutGallery': { path: { gallery: '{gallery}' }, body: { policy: 'p', references: '{collection}', watches: [] } },
  'GalleryService.GetGallery': { path: { gallery: '{gallery}' } },
  'GalleryService.ListGalleries': { path: {} },
  'GalleryService.DeleteGallery': { path: { gallery: '{gallery}' } },
  'GalleryService.MatchGallery': { path: { gallery: '{gallery}' }, body: { query: { text: 'one' } } },
  'GalleryService.RematchGallery': { path: { gallery: '{gallery}' } },
  'GalleryService.ListMatches': { path: { gallery: '{gallery}' } },
  'GalleryService.WatchMatches': { path: { gallery: '{gallery}' }, query: { limit: 0 } },
  'GalleryService.CalibrateGallery': { path: { gallery: '{gallery}' }, body: { pairs: [true, false].map((isMatch) => ({ collection: '{collection}', itemId: 'one', referenceId: 'one', isMatch })) } },
  'ImportService.ImportItems': { path: { collection: '{collection}' }, body: { blobId: '{blob}' } },
  'ItemService.UpsertItems': { path: { collection: '{collection}' }, body: { items: [{ id: 'another', title: 'Another item' }] } },
  'ItemService.GetItem': { path: { collection: '{collection}', id: 'one' } },
  'ItemService.GetItemImage': { path: { collection: '{collection}', id: 'pictured', part: '0' } },
  'ItemService.DeleteItem': { path: { collection: '{collection}', id: 'one' } },
  'OperationService.GetOperation': { path: { id: '{operation}' } },
  'OperationService.ListOperations': { path: {} },
  'OperationService.CancelOperation': { path: { id: '{cancelled}' } },
  'OperationService.RetryOperation': { path: { id: '{cancelled}' } },
  'OperationService.WatchOperation': { path: { id: '{operation}' } },
  'SearchService.Search': { path: { collection: '{collection}' }, body: { query: { text: 'one' }, limit: 1, groupBy: 'author', facets: ['createdAt'], explain: true, withItems: true } },
  'EvaluationService.Evaluate': { path: { collection: '{collection}' }, body: { queries: [{ query: { text: 'one' }, relevant: ['one'] }] } },
  'ModelVersionService.Reindex': { path: { collection: '{collection}' }, body: { space: 'text', modelVersion: 'embed-text' }, status: 409 },
  'ModelVersionService.SwitchModelVersion': { path: { collection: '{collection}' }, body: { space: 'text', modelVersion: 'embed-text' } },
  'ModelVersionService.DropModelVersion': { path: { collection: '{collection}', space: 'text', modelVersion: 'embed-text' }, status: 409 },
  'CompressionService.Compress': { path: {}, body: { picture, budget: { tokens: 8 } } },
  'CompressionService.CompressBatch': { path: {}, body: { pictures: [picture], budget: { tokens: 8 } } },
  'CompressionService.GetCompression': { path: { id: '{compression}' } },
  'CompressionService.ExpandCompression': { path: { id: '{compression}' }, body: { budget: { tokens: 16 } } },
  'CompressionService.Explain': { path: {}, body: { picture, budget: { tokens: 8 } } },
  'CompressionService.ListMethods': { path: {} },
  'Embeddings.Create': { path: {}, body: { model: 'embed-text', input: 'one' } },
  'BlobService.StoreBlob': { path: {}, body: randomBytes(100) },
  'BlobService.GetBlob': { path: { id: '{blob}' } },
  'BlobService.DeleteBlob': { path: { id: '{blob}' } },
  'BlobService.CreateUpload': { path: {}, body: { bytes: 100 } },
  'BlobService.GetUpload': { path: { id: '{upload}' } },
  'BlobService.AppendUpload': { path: { id: '{upload}' }, body: randomBytes(50), headers: { 'upload-offset': '0' } },
  'BlobService.DeleteUpload': { path: { id: '{upload}' } },
  'TenantService.CreateTenant': { path: {}, body: { name: `test-${randomUUID()}` } },
  'TenantService.ListTenants': { path: {} },
  'TenantService.SetTenantLimits': { path: { id: randomUUID() }, body: { requestsPerMinute: 1000 }, status: 404 },
  'KeyService.CreateKey': { path: {}, body: { name: 'matrix', scopes: ['retrieval:read'] } },
  'KeyService.ListKeys': { path: {} },
  'KeyService.RotateKey': { path: { id: '{key}' }, body: { graceHours: 1 } },
  'KeyService.RevokeKey': { path: { id: '{key}' } },
  'AuditService.ListAuditEntries': { path: {} },
};

/**
 * An operation that makes or lists what is the caller's own has nothing of another tenant's to find, and what needs
 * `platform:admin` is about all tenants.
 */
const isTheCallersOwn = new Set([
  ...['CollectionService.PutCollection', 'GalleryService.ListGalleries', 'OperationService.ListOperations', 'Embeddings.Create', 'BlobService.StoreBlob', 'BlobService.CreateUpload'],
  ...['CompressionService.Compress', 'CompressionService.CompressBatch', 'CompressionService.Explain', 'CompressionService.ListMethods'],
  ...['TenantService.CreateTenant', 'TenantService.ListTenants', 'KeyService.CreateKey', 'KeyService.ListKeys', 'AuditService.ListAuditEntries'],
]);

const contracts = [
  CompressionService,
  CollectionService,
  DuplicateService,
  GalleryService,
  ImportService,
  ItemService,
  OperationService,
  SearchService,
  EvaluationService,
  ModelVersionService,
  BlobService,
  TenantService,
  KeyService,
  AuditService,
];

const scopes = new Map<string, string>([
  ...contracts.flatMap((service) => service.methods.map((method) => [`${service.name}.${method.name}`, methodRules(method).scope] as const)),
  // No contract carries the bytes of blobs.
  ['BlobService.StoreBlob', 'blobs:write'],
  ['BlobService.GetBlob', 'blobs:read'],
  ['BlobService.AppendUpload', 'blobs:write'],
  ['Embeddings.Create', 'embeddings:read'],
]);

interface Operation {
  readonly id: string;
  readonly method: 'get' | 'put' | 'post' | 'delete' | 'patch';
  readonly template: string;
  readonly responses: Readonly<Record<string, { content?: Record<string, { schema: object }> }>>;
}

const document = await (await fetch(`${platform.url}/openapi.json`)).json();
const operations: Operation[] = Object.entries<Record<string, { operationId: string; responses: Operation['responses'] }>>(document.paths).flatMap(
  ([template, item]) =>
    Object.entries(item).map(([method, { operationId, responses }]) => ({ id: operationId, method: method as Operation['method'], template, responses })),
);

const ajv = new Ajv2020({ strict: false, validateFormats: false }).addSchema({ $id: 'openapi', ...document });

/** What the placeholders of a path stand for. */
interface Resources {
  readonly collection: string;
  /** A pair in the collection. */
  readonly duplicate: string;
  readonly gallery: string;
  readonly compression: string;
  readonly blob: string;
  readonly upload: string;
  readonly key: string;
  readonly operation: string;
  readonly cancelled: string;
}

const hex = (bytes: number) => randomBytes(bytes).toString('hex');
const nobodys = (): Resources => ({ collection: `test-${randomUUID()}`, duplicate: hex(16), gallery: `test-${randomUUID()}`, compression: hex(16), blob: hex(32), upload: hex(16), key: hex(6), operation: `retrieval-${hex(16)}`, cancelled: `retrieval-${hex(16)}` });
const owned = new Map<string, Resources>();

function targetOf({ id, template }: Operation, resources = owned.get(id)!): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => filled(requests[id].path[name], resources));
}

/** Puts a resource where its kind stands in braces. */
const filled = (text: string, resources: Resources) => text.replace(/\{(\w+)\}/g, (_, kind: keyof Resources) => resources[kind]);

/** Sends the operation's sample request, changed by `change`. */
function send(operation: Operation, { authorization, body, query, resources }: { authorization?: string; body?: object; query?: object; resources?: Resources } = {}) {
  const { body: sample, query: sampleQuery, headers = {} } = requests[operation.id];
  const request = supertest(platform.url)[operation.method](targetOf(operation, resources)).set(headers);
  if (authorization) request.set('authorization', authorization);
  if (Buffer.isBuffer(sample)) request.type('application/octet-stream');
  request.query({ ...sampleQuery, ...query });
  if (Buffer.isBuffer(sample) || !sample) return sample ? request.send(sample) : request;
  return request.send(JSON.parse(filled(JSON.stringify(body ?? sample), resources ?? owned.get(operation.id)!)));
}

const bearer = (key: string) => `Bearer ${key}`;

/** An import of so many lines. @returns its id. */
async function startImport(collection: string, lines: number): Promise<string> {
  const body = Array.from({ length: lines }, (_, index) => JSON.stringify({ id: `line-${index}`, title: hex(20) })).join('\n');
  const blob = await supertest(platform.url).post('/v1/blobs').set('authorization', bearer(platform.keys.first)).type('application/jsonl').send(body).expect(201);
  return (await api().post(`/v1/collections/${collection}/items:import`, { blobId: blob.body.id }).expect(202)).body.id;
}

/** Waits for an operation's end. @returns its state then. */
async function ended(id: string): Promise<string> {
  await api().get(`/v1/operations/${id}:watch`).expect(200);
  return (await api().get(`/v1/operations/${id}`).expect(200)).body.state;
}

/** An import that was cancelled while it ran; one that was faster is followed by a larger one. */
async function cancelledImport(collection: string, lines = 500): Promise<string> {
  const id = await startImport(collection, lines);
  await api().post(`/v1/operations/${id}:cancel`, {});
  return (await ended(id)) === 'cancelled' ? id : cancelledImport(collection, 4 * lines);
}

beforeAll(async () => {
  const collection = (await newCollection()).split('/')[3];
  await api().post(`/v1/collections/${collection}/items:upsert`, { items: [{ id: 'one', title: 'The one item' }, { id: 'pictured', images: [{ base64: await photo(0) }] }, ...['twin', 'other-twin'].map((id) => ({ id, title: 'Twins' }))] }).expect(200);
  const duplicate = await pairIn(`/v1/collections/${collection}`);
  const operation = await startImport(collection, 1);
  expect(await ended(operation)).toBe('succeeded');
  const compression = (await api().post('/v1/visual/compress', { picture, budget: { tokens: 4 } }).expect(200)).body.id;
  for (const { id } of operations) {
    const cancelled = /Cancel|Retry/.test(id) ? await cancelledImport(collection) : '';
    const blob = await supertest(platform.url).post('/v1/blobs').set('authorization', bearer(platform.keys.first)).send(hex(20)).expect(201);
    const upload = await api().post('/v1/uploads', { bytes: 50 }).expect(201);
    const key = await api().post('/v1/keys', { name: `of ${id}`, scopes: ['retrieval:read'] }).expect(201);
    const gallery = `test-${randomUUID()}`;
    await api().put(`/v1/galleries/${gallery}`, { policy: 'p', references: collection, watches: [] }).expect(200);
    owned.set(id, { collection, duplicate, gallery, compression, blob: blob.body.id, upload: upload.body.id, key: key.body.key.id, operation, cancelled });
  }
});

/** The one pair of duplicates of a collection. */
async function pairIn(path: string): Promise<string> {
  await scanDuplicates(path);
  const { body } = await api().get(`${path}/duplicates`).expect(200);
  return body.duplicates[0].id;
}

type Check = (operation: Operation) => Promise<void>;

const checks: Readonly<Record<string, { readonly check: Check; readonly appliesTo?: (operation: Operation) => boolean }>> = {
  'API1 other tenant’s object is absent': {
    appliesTo: ({ id }) => !isTheCallersOwn.has(id),
    check: async (operation) => {
      const authorization = bearer(platform.keys.second);
      const others = await send(operation, { authorization });
      const never = await send(operation, { authorization, resources: nobodys() });
      expect(others.status).toBe(404);
      expect(never.status).toBe(404);
      expect(others.body.type).toBe(never.body.type);
    },
  },
  'API2 no key': { check: async (operation) => void (await send(operation).expect(401)) },
  'API2 expired key': { check: async (operation) => void (await send(operation, { authorization: bearer(platform.keys.expired) }).expect(401)) },
  'API2 revoked key': { check: async (operation) => void (await send(operation, { authorization: bearer(platform.keys.revoked) }).expect(401)) },
  'API2 key with one digit changed': {
    check: async (operation) => {
      const { first } = platform.keys;
      const changed = first.slice(0, -1) + (first.endsWith('0') ? '1' : '0');
      await send(operation, { authorization: bearer(changed) }).expect(401);
    },
  },
  'API2 key in the query': { check: async (operation) => void (await send(operation, { query: { key: platform.keys.first } }).expect(401)) },
  'API3 unknown field refused': {
    appliesTo: ({ id }) => requests[id].body !== undefined && !Buffer.isBuffer(requests[id].body),
    check: async (operation) => {
      const body = { ...requests[operation.id].body, tenant_id: randomUUID() };
      const answer = await send(operation, { authorization: bearer(platform.keys.first), body }).expect(400);
      expect(answer.body.violations[0].pointer).toBe('/tenant_id');
    },
  },
  'API4 body over the limit': {
    appliesTo: ({ id }) => requests[id].body !== undefined,
    check: async (operation) => {
      const answer = await sendBytes(targetOf(operation), Buffer.from('{'), { 'content-length': String(2 * 1024 ** 4), ...requests[operation.id].headers }, operation.method.toUpperCase());
      expect(answer.status).toBe(413);
    },
  },
  'API5 scope missing': {
    check: async (operation) => {
      const scope = scopes.get(operation.id)!;
      const key = scope === 'retrieval:read' ? platform.keys.writer : platform.keys.reader;
      const answer = await send(operation, { authorization: bearer(key) }).expect(403);
      expect(answer.body.detail).toContain(scope);
    },
  },
  'API8 headers, no stack': {
    check: async (operation) => {
      const { headers, text } = await send(operation, {}).expect(401);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['access-control-allow-origin']).toBeUndefined();
      expect(headers['content-type']).toContain('application/problem+json');
      expect(text).not.toMatch(/node_modules|\bat .*:\d+:\d+/);
    },
  },
  'API9 another method': {
    check: async (operation) => {
      const another = (['patch', 'put'] as const).find((method) => document.paths[operation.template][method] === undefined)!;
      const { headers } = await supertest(platform.url)[another](targetOf(operation)).set('authorization', bearer(platform.keys.first)).expect(405);
      expect(headers.allow).toBeTruthy();
    },
  },
  // The last, because it deletes.
  'API3 answer as documented': {
    check: async (operation) => {
      const answer = await send(operation, { authorization: bearer(platform.keys.first) });
      const { status } = requests[operation.id];
      if (status === undefined) expect(answer.status).toBeLessThan(300);
      else {
        expect(answer.status).toBe(status);
        expect(operation.responses).toHaveProperty(String(status));
        expect(ajv.validate('openapi#/components/schemas/Problem', answer.body), JSON.stringify(ajv.errors)).toBe(true);
        return;
      }
      const documented = operation.responses[answer.status].content!;
      if (!('application/json' in documented)) {
        expect(['*/*', 'text/event-stream']).toContain(Object.keys(documented)[0]);
        return;
      }
      const pointer = `openapi#/paths/${encodeURIComponent(operation.template.replaceAll('~', '~0').replaceAll('/', '~1'))}/${operation.method}/responses/${answer.status}/content/application~1json/schema`;
      const validate = ajv.getSchema(pointer);
      expect(validate, `${operation.id} documents ${answer.status}`).toBeDefined();
      expect(validate!(answer.body), JSON.stringify(validate!.errors)).toBe(true);
    },
  },
};

const seen = new Map<string, string>();

it('every documented operation has a row, and every row an operation', () => {
  expect(operations.map(({ id }) => id).sort()).toEqual(Object.keys(requests).sort());
  for (const { id } of operations) expect(scopes.get(id), `scope of ${id}`).toBeTruthy();
});

describe.each(operations)('$id', (operation) => {
  it.each(Object.entries(checks))('%s', async (name, { check, appliesTo = () => true }) => {
    const cell = `${operation.id} ${name}`;
    if (!appliesTo(operation)) {
      seen.set(cell, 'not applicable');
      return;
    }
    seen.set(cell, 'FAILED');
    await check(operation);
    seen.set(cell, 'ok');
  });
});

afterAll(() => {
  const table = Object.keys(checks).map((name) => [name, ...operations.map(({ id }) => seen.get(`${id} ${name}`) ?? 'MISSING')]);
  const rows = [['check', ...operations.map(({ id }) => id)], ...table];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  console.info(rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join('  ')).join('\n'));
  expect(table.flat()).not.toContain('MISSING');
});
