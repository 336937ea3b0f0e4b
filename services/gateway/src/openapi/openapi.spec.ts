import { readFileSync } from 'node:fs';
import { clearField, clone, type DescFile, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from './document.ts';
import { imagePath, publicDocument, readImage, toText } from './image.ts';

const committed = readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8');
const ours = fromBinary(FileDescriptorSetSchema, readFileSync(imagePath)).file.filter(({ name }) => name.startsWith('touchstone/'));
const echo = openApiDocument(readImage(), ['touchstone.echo.v1.EchoService']);
type Shown = { paths: Record<string, Record<string, any>>; components: { schemas: Record<string, any> } };

/** A file without comments, buf's own mark, and names of JSON, which generated code leaves out where they follow from the field's. */
function bare(file: FileDescriptorProto): string {
  const copy = clone(FileDescriptorProtoSchema, file);
  clearField(copy, FileDescriptorProtoSchema.field.sourceCodeInfo);
  delete copy.$unknown;
  for (const field of [...copy.extension, ...copy.messageType.flatMap((message) => message.field)]) field.jsonName = '';
  return Buffer.from(toBinary(FileDescriptorProtoSchema, copy)).toString('latin1');
}

describe('the committed openapi.json', () => {
  it('is what the contracts say: run `npm run contracts:generate` when this fails', () => {
    expect(committed).toBe(toText(publicDocument()));
  });

  it.each([
    ['the platform', JSON.parse(committed) as object],
    ['a contract with streams, queries and body fields', echo],
  ])('is valid OpenAPI 3.1: %s', async (_, document) => {
    const result = await new Validator().validate(structuredClone(document) as Record<string, unknown>);
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
  });

  it.each(ours.map((file) => [file.name, file] as const))('its image holds the same contract as the generated code: %s', async (name, file) => {
    const generated = (await import(`@touchstone/contracts/gen/${name.replace('.proto', '_pb')}`)) as Record<string, DescFile>;
    const [descriptor] = Object.entries(generated).filter(([each]) => each.startsWith('file_')).map(([, value]) => value);
    expect(bare(file)).toBe(bare(descriptor.proto));
  });
});

describe('what the document says', () => {
  const { paths, components } = echo as Shown;

  it('shows a field of the path by its own name and leaves it out of the body', () => {
    const { parameters, requestBody } = paths['/v1/echoes/{id}:count'].post;
    expect(parameters).toMatchObject([{ name: 'id', in: 'path', required: true, schema: { pattern: '^[a-z0-9-]{1,40}$' } }]);
    expect(requestBody.content['application/json'].schema).toEqual({ $ref: '#/components/schemas/NoteInputWithoutId' });
    expect(components.schemas.NoteInputWithoutId.properties).toHaveProperty('text');
    expect(components.schemas.NoteInputWithoutId.properties).not.toHaveProperty('id');
  });

  it('asks for what a rule refuses when it is absent, and promises what is always there', () => {
    expect(components.schemas.NoteInput).toMatchObject({ required: ['id'], additionalProperties: false });
    expect(components.schemas.Note.required).toEqual(['id', 'text', 'numbers', 'notes', 'count']);
  });

  it('describes streams, their events and the problems', () => {
    const { responses } = paths['/v1/echoes/{id}:watch'].get;
    expect(responses[200].content['text/event-stream'].schema.properties).toMatchObject({
      event: { enum: ['note', 'finished', 'problem'] },
      data: { contentSchema: { anyOf: [{ $ref: '#/components/schemas/EchoEvent' }, { $ref: '#/components/schemas/Problem' }] } },
    });
    expect(components.schemas.EchoEvent.oneOf).toHaveLength(3); // one of two, or none
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(['400', '401', '403', '404', '500', '503', '504']));
    expect(Object.keys(responses)).not.toContain('415');
  });
});
