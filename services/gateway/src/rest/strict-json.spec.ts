import { seededRandom } from '@touchstone/runtime/random';
import { type DescMessage, fromJson, type JsonValue, ScalarType } from '@bufbuild/protobuf';
import { ModelInferRequestSchema } from '@touchstone/contracts/gen/inference/v2/grpc_service_pb';
import { ProblemDetailSchema } from '@touchstone/contracts/gen/touchstone/api/v1/problem_pb';
import { EchoEventSchema, NoteSchema } from '@touchstone/contracts/gen/touchstone/echo/v1/echo_pb';
import { CollectionSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/collection_pb';
import { SearchRequestSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import { describe, expect, it } from 'vitest';
import { strictJsonCheck } from './strict-json.ts';

const pointers = (schema: DescMessage, json: unknown) => strictJsonCheck(schema)(json).map(({ pointer }) => pointer);

describe('what the strict form takes and refuses, by type', () => {
  it.each<[string, DescMessage, unknown, string[]]>([
    ['a map of messages', ModelInferRequestSchema, { parameters: { a: { boolParam: true }, 'b/c': { boolParam: 1 } } }, ['/parameters/b~1c/boolParam']],
    ['__proto__ in a map', ModelInferRequestSchema, JSON.parse('{"parameters":{"__proto__":{}}}'), ['/parameters/__proto__']],
    ['64 bits as a string', ModelInferRequestSchema, { inputs: [{ shape: ['1', '-9223372036854775808'] }] }, []],
    ['64 bits as a number', ModelInferRequestSchema, { inputs: [{ shape: [1] }] }, ['/inputs/0/shape/0']],
    ['more than 64 bits', ModelInferRequestSchema, { inputs: [{ shape: ['9223372036854775808', '-0', '01', ''] }] }, [0, 1, 2, 3].map((index) => `/inputs/0/shape/${index}`)],
    ['unsigned numbers below zero', ModelInferRequestSchema, { inputs: [{ contents: { uintContents: [-1, 4294967295], uint64Contents: ['-1'] } }] }, ['/inputs/0/contents/uintContents/0', '/inputs/0/contents/uint64Contents/0']],
    ['a number beyond float32', SearchRequestSchema, { query: { vector: [3.5e38, -1e-50] } }, ['/query/vector/0']],
    ['base64 with and without padding, and of URLs', ModelInferRequestSchema, { rawInputContents: ['AQ==', 'AQI=', 'AQID', 'AQ', '_-==', 'A===', 'AQ=='.repeat(2)] }, [3, 4, 5, 6].map((index) => `/rawInputContents/${index}`)],
    ['two fields of a oneof', EchoEventSchema, { note: { id: 'a' }, finished: 'x' }, ['/finished']],
    ['an enum by its name', ProblemDetailSchema, { reason: 'REASON_INTERNAL' }, []],
    ['an enum by its number', ProblemDetailSchema, { reason: 1 }, ['/reason']],
    ['times', CollectionSchema, { createdAt: '2026-02-28T23:59:59.123456789+01:00' }, []],
    ['what is no time', CollectionSchema, { createdAt: '2026-02-28 23:59:59' }, ['/createdAt']],
    ['a day that no month has', CollectionSchema, { createdAt: '2026-13-01T00:00:00Z' }, ['/createdAt']],
  ])('%s', (_, schema, json, expected) => expect(pointers(schema, json)).toEqual(expected));
});

describe('what it lets through, fromJson takes', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);

  it.each([NoteSchema, SearchRequestSchema, ModelInferRequestSchema, EchoEventSchema, CollectionSchema, ProblemDetailSchema].map((schema) => [schema.typeName, schema] as const))(
    `%s, seed ${seed}`,
    (_, schema) => {
      const random = seededRandom(seed);
      const check = strictJsonCheck(schema);
      let taken = 0;
      for (let round = 0; round < 2_000; round++) {
        const json = JSON.parse(JSON.stringify(randomMessage(schema, random, 0))) as JsonValue;
        if (check(json).length > 0) continue;
        taken += 1;
        expect(() => fromJson(schema, json, { recursionLimit: 1_000 }), JSON.stringify(json)).not.toThrow();
      }
      expect(taken).toBeGreaterThan(100);
    },
  );
});

/** Mostly right, sometimes of another type. */
function randomMessage(schema: DescMessage, random: () => number, depth: number): unknown {
  if (schema.typeName.startsWith('google.protobuf.') || random() < 0.02) return randomValue(random);
  const json: Record<string, unknown> = {};
  for (const field of schema.fields) {
    if (random() < 0.6 || depth > 4) continue;
    const one = () => {
      if (random() < 0.03) return randomValue(random);
      if (field.message) return randomMessage(field.message, random, depth + 1);
      if (field.enum) return pick(random, field.enum.values).jsonName;
      return random() < 0.9 ? rightValue(field.scalar, random) : pick(random, [...strings, ...numbers, true]);
    };
    if (field.fieldKind === 'list') json[field.jsonName] = Array.from({ length: Math.floor(random() * 3) }, one);
    else if (field.fieldKind === 'map') json[field.jsonName] = { [pick(random, ['a', '', 'b/c'])]: one() };
    else json[field.jsonName] = one();
  }
  return json;
}

const strings = ['', 'a', 'AQ==', '12', '-12'];
const numbers = [0, 1, -1, 1.5, 1e300, 2 ** 31];

/** Of the JSON type that a scalar has; not always within its range. */
function rightValue(scalar: ScalarType | undefined, random: () => number): unknown {
  if (scalar === ScalarType.BOOL) return random() < 0.5;
  if (scalar === ScalarType.STRING) return pick(random, strings);
  if (scalar === ScalarType.BYTES) return pick(random, ['', 'AQ==', 'AQID', 'a']);
  if (scalar === ScalarType.INT64 || scalar === ScalarType.UINT64) return pick(random, ['0', '12', '-12']);
  return random() < 0.8 ? pick(random, [0, 1, 7]) : pick(random, numbers);
}

function randomValue(random: () => number): unknown {
  return pick(random, [null, '', 'x', '2026-01-31T12:00:00Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', 0, -0, 1e308, true, [], [null, [1]], {}, { a: null, '': { b: [] } }]);
}

const pick = <T>(random: () => number, values: readonly T[]): T => values[Math.floor(random() * values.length)];
