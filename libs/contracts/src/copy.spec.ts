import { clone, create, fromBinary, fromJson, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { FieldRulesSchema } from '../gen/buf/validate/validate_pb.ts';
import { EchoEventSchema, NoteSchema } from '../gen/touchstone/echo/v1/echo_pb.ts';
import { ItemInputSchema } from '../gen/touchstone/retrieval/v1/item_pb.ts';
import { FilterSchema } from '../gen/touchstone/retrieval/v1/search_pb.ts';
import { copyOf } from './copy.ts';

const note = fromJson(NoteSchema, {
  id: 'a', text: 'grüße', numbers: [1, -0.5], reward: 0, count: 7, notes: [{ id: 'b', notes: [{ id: 'c' }] }],
  attributes: { list: [null, { deep: true }], ['__proto__' as string]: 1 },
});

describe('a copy', () => {
  it.each([
    ['scalars, lists, attributes and messages within themselves', NoteSchema, note],
    ['a zero message', NoteSchema, create(NoteSchema)],
    ['a oneof', EchoEventSchema, create(EchoEventSchema, { sequence: 3, event: { case: 'note', value: note } })],
    ['an empty oneof', EchoEventSchema, create(EchoEventSchema)],
    ['bytes', ItemInputSchema, create(ItemInputSchema, { id: 'a', images: [{ source: { case: 'base64', value: Uint8Array.of(1, 2) } }] })],
    ['Value and ListValue', FilterSchema, fromJson(FilterSchema, { field: 'f', in: [1, 'a', null, { x: [true] }] })],
    ['fields with presence and 64 bits', FieldRulesSchema, fromJson(FieldRulesSchema, { required: true, string: { minLen: '9007199254740993' } })],
  ])('of %s is what clone makes of it', (_, schema, message) => {
    const copy = copyOf(schema, message);
    expect(copy).toEqual(clone(schema, message as never));
    expect(toBinary(schema, copy as never)).toEqual(toBinary(schema, message as never));
    expect(fromBinary(schema, toBinary(schema, copy as never))).toEqual(message);
  });

  it('shares nothing', () => {
    const bytes = Uint8Array.of(1);
    const item = create(ItemInputSchema, { id: 'a', images: [{ source: { case: 'base64', value: bytes } }], attributes: { list: [{ x: 1 }] } });
    const copy = copyOf(ItemInputSchema, item);
    bytes[0] = 2;
    (item.attributes!.list as { x: number }[])[0].x = 2;
    item.images.length = 0;
    expect(copy.images[0].source.value).toEqual(Uint8Array.of(1));
    expect(copy.attributes).toEqual({ list: [{ x: 1 }] });
  });

  it.each([
    ['an integer beyond 32 bits', { count: 2 ** 31 }],
    ['a fraction in an integer', { count: 0.5 }],
    ['a number for a string', { text: 1 as never }],
    ['a string among numbers', { numbers: [1, 'x' as never] }],
    ['undefined in attributes', { attributes: { x: undefined as never } }],
  ])('refuses %s', (_, init) => {
    expect(() => copyOf(NoteSchema, create(NoteSchema, init))).toThrow(TypeError);
  });
});
