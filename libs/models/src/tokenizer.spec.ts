import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { TextTokenizer } from './tokenizer.ts';

const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a', 'cat', '##s', 'sleep'];
const special = (id: number) => ({ id, content: tokens[id], special: true, single_word: false, lstrip: false, rstrip: false, normalized: false });
const template = { SpecialToken: (id: string) => ({ SpecialToken: { id, type_id: 0 } }), A: { Sequence: { id: 'A', type_id: 0 } } };
const description = {
  version: '1.0',
  truncation: { max_length: 4, strategy: 'LongestFirst', stride: 0 },
  padding: { strategy: { Fixed: 12 }, direction: 'Right', pad_to_multiple_of: null, pad_id: 0, pad_type_id: 0, pad_token: '[PAD]' },
  added_tokens: [0, 1, 2, 3].map(special),
  normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [template.SpecialToken('[CLS]'), template.A, template.SpecialToken('[SEP]')],
    pair: [],
    special_tokens: { '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] }, '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] } },
  },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
  },
};

let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
  file = join(folder, 'tokenizer.json');
  await writeFile(file, JSON.stringify(description));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('cuts words into pieces between the special tokens, whatever padding the file asks for', async () => {
  const tokenizer = await TextTokenizer.open(file, 16);
  expect(tokenizer.encode('A cat sleeps')).toEqual([2, 4, 5, 7, 6, 3]);
  expect(tokenizer.encode('')).toEqual([2, 3]);
  expect(tokenizer.encode('dog 猫 🙂')).toEqual([2, 1, 1, 1, 3]);
});

it('cuts the end of a long text and keeps the last special token', async () => {
  const tokenizer = await TextTokenizer.open(file, 5);
  expect(tokenizer.encode('cat '.repeat(100))).toEqual([2, 5, 5, 5, 3]);
});

it('looks at no more than the first 8,192 characters', async () => {
  const tokenizer = await TextTokenizer.open(file, 16);
  expect(tokenizer.encode(`${' '.repeat(8_192)}cat`)).toEqual([2, 3]);
});
