import { clone, create, createFileRegistry, type DescService, type MessageInitShape, setExtension } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, MethodDescriptorProtoSchema, MethodOptionsSchema } from '@bufbuild/protobuf/wkt';
import { http } from '@touchstone/contracts/gen/google/api/annotations_pb';
import { HttpRuleSchema } from '@touchstone/contracts/gen/google/api/http_pb';
import { policy, PolicySchema } from '@touchstone/contracts/gen/touchstone/api/v1/policy_pb';
import { EchoService, file_touchstone_echo_v1_echo as echo } from '@touchstone/contracts/gen/touchstone/echo/v1/echo_pb';
import { RequestMethod } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { routesOf } from './route.ts';

/** A service with one method, as if proto/ said so. */
function serviceOf(rule: MessageInitShape<typeof HttpRuleSchema>, { input = 'CountEchoRequest', serverStreaming = false } = {}): DescService {
  const options = create(MethodOptionsSchema);
  setExtension(options, http, create(HttpRuleSchema, rule));
  setExtension(options, policy, create(PolicySchema, { scope: 'echo:read' }));
  const file = clone(FileDescriptorProtoSchema, echo.proto);
  const type = (name: string) => `.touchstone.echo.v1.${name}`;
  file.service[0].method = [create(MethodDescriptorProtoSchema, { name: 'Try', inputType: type(input), outputType: type('Note'), serverStreaming, options })];
  const imports = new Map(echo.dependencies.map((each) => [each.proto.name, each]));
  return createFileRegistry(file, (name) => imports.get(name)).getService('touchstone.echo.v1.EchoService')!;
}

const get = (path: string) => ({ pattern: { case: 'get' as const, value: path } });
const post = (path: string, body = '*') => ({ pattern: { case: 'post' as const, value: path }, body });

it('reads the paths of a contract', () => {
  expect(routesOf(EchoService).map(({ verb, path, template }) => [RequestMethod[verb], path, template])).toEqual([
    ['POST', '/v1/echoes', '/v1/echoes'],
    ['GET', '/v1/echoes/:id([^:/]+)', '/v1/echoes/{id}'],
    ['GET', '/v1/echoes/:id([^:/]+)/file', '/v1/echoes/{id}/file'],
    ['POST', '/v1/echoes/:id([^:/]+)::count', '/v1/echoes/{id}:count'],
    ['GET', '/v1/echoes/:id([^:/]+)::watch', '/v1/echoes/{id}:watch'],
  ]);
});

it('escapes the colon of a verb after a literal', () => {
  expect(routesOf(serviceOf(post('/v1/notes/{note.id}/items:upsert')))[0].path).toBe('/v1/notes/:id([^:/]+)/items::upsert');
});

it('shows additional bindings as routes of their own', () => {
  const routes = routesOf(serviceOf({ ...post('/v1/a'), additionalBindings: [post('/v1/b', 'note')] }));
  expect(routes.map(({ template, body }) => [template, body === '*' ? body : body?.name])).toEqual([
    ['/v1/a', '*'],
    ['/v1/b', 'note'],
  ]);
});

it('finds what the query may say: every field that stands neither in the path nor in the body', () => {
  const [route] = routesOf(serviceOf(get('/v1/echoes/{id}'), { input: 'WatchEchoRequest' }));
  expect(route.queryParameters.map(({ name, pointer }) => [name, pointer])).toEqual([['events', '/events'], ['failAt', '/failAt'], ['afterSequence', '/afterSequence']]);
});

describe('refuses at start', () => {
  it.each<[string, MessageInitShape<typeof HttpRuleSchema>, RegExp, { input?: string; serverStreaming?: boolean }?]>([
    ['a pattern in a variable', post('/v1/{note.id=notes/*}'), /not supported in a path/],
    ['a wildcard', post('/v1/*'), /is not supported/],
    ['a variable within a segment', post('/v1/x-{note.id}'), /is not supported/],
    ['a variable that is no field', post('/v1/{nothing}'), /is not a field/],
    ['a variable that is a message', post('/v1/{note}'), /is not a scalar/],
    ['two variables of one name', post('/v1/{note.id}/{note.id}'), /two variables/],
    ['a body that is no field', post('/v1/a', 'nothing'), /is not a field/],
    ['a body that is no message', post('/v1/a', 'id'), /is not a message/, { input: 'Note' }],
    ['a body with GET', { ...get('/v1/a'), body: '*' }, /get has no body/],
    ['a part of the answer', { ...post('/v1/a'), responseBody: 'text' }, /response_body/],
    ['a verb of its own', { pattern: { case: 'custom', value: { kind: 'PURGE', path: '/v1/a' } } }, /no verb/],
    ['a message list in the query', get('/v1/{id}'), /cannot be written in a query/, { input: 'Note' }],
    ['a stream behind POST', post('/v1/a'), /needs a GET/, { serverStreaming: true }],
  ])('%s', (_, rule, message, options) => {
    expect(() => routesOf(serviceOf(rule, options))).toThrow(message);
  });
});
