import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readConfiguration, settings } from './configuration.ts';
import { serviceNames } from './service-names.ts';

it('has defaults for a laptop', () => {
  expect(readConfiguration({})).toMatchObject({ host: '127.0.0.1', port: 8080, databases: { gateway: undefined, retrieval: undefined } });
});

it.each([
  ['a port that is none', { TOUCHSTONE_PORT: '70000' }, /TOUCHSTONE_PORT/],
  ['the URL of another database', { TOUCHSTONE_DATABASE_URL: 'mysql://x/y' }, /TOUCHSTONE_DATABASE_URL: expected postgresql:/],
  ['an index without its Milvus', { TOUCHSTONE_RETRIEVAL_INDEX: 'milvus' }, /TOUCHSTONE_MILVUS_ADDRESS: expected host:port/],
  ['an index that is none', { TOUCHSTONE_RETRIEVAL_INDEX: 'qdrant' }, /TOUCHSTONE_RETRIEVAL_INDEX/],
  ['the URL of a Milvus', { TOUCHSTONE_MILVUS_ADDRESS: 'http://milvus:19530' }, /TOUCHSTONE_MILVUS_ADDRESS: expected host:port/],
  ['a bucket without keys', { TOUCHSTONE_BLOBS_S3_URL: 'https://s3.example.org/blobs' }, /AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: expected/],
  ['a store without a bucket', { TOUCHSTONE_BLOBS_S3_URL: 'https://s3.example.org' }, /TOUCHSTONE_BLOBS_S3_URL: expected the address of the store with the bucket/],
  ['blobs larger than S3 takes', { TOUCHSTONE_BLOBS_S3_URL: 'https://s3.example.org/blobs', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', TOUCHSTONE_BLOB_LIMIT_MB: '6000' }, /TOUCHSTONE_BLOB_LIMIT_MB: expected at most 5120/],
  ['an address without a port', { TOUCHSTONE_RETRIEVAL_LISTEN: 'localhost' }, /TOUCHSTONE_RETRIEVAL_LISTEN: expected host:port/],
])('refuses %s by name', (_, environment, message) => expect(() => readConfiguration(environment)).toThrow(message));

it('docs/operations.md explains every setting', () => {
  const docs = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const table = Object.entries(settings).map(([name, type]) => {
    const fallback = type.safeParse(undefined).data;
    return `| \`${name}\` | ${fallback === undefined ? '–' : `\`${String(fallback)}\``} | ${type.description} |`;
  });
  const ofAnyService = table.map((line) => serviceNames.reduce((text, name) => (new RegExp(`^\\| .TOUCHSTONE_${name.toUpperCase()}_((SYSTEM_)?DATABASE_URL|URL|LISTEN)`).test(text) ? text.replaceAll(name, '<service>').replace(name.toUpperCase(), '<SERVICE>') : text), line));
  expect(docs).toContain(`| setting | default | meaning |\n|---|---|---|\n${[...new Set(ofAnyService)].join('\n')}\n`);
});
