/** A language model of random weights that has read nothing, in the shape of LLaVA's: for runs without a GPU. */
import { seededRandom } from '@touchstone/runtime/random';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { llavaGraph, type LlavaShape, type Weights } from './llava-graph.ts';

const [beginId, endId, pictureId] = [256, 257, 258];

/** @param visualWidth numbers of a visual token of the encoder that it reads. */
export const tinyShape = (visualWidth: number): LlavaShape => ({ layers: 4, width: 128, heads: 4, feedForwardWidth: 256, vocabulary: 259, visualWidth, pictureId });

/** Normal numbers that follow from the seed; gains of norms are 1. */
export function seededWeights(seed: number): Weights {
  const random = seededRandom(seed);
  // Box, Muller, Annals of Mathematical Statistics 29 (1958), 610–611.
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return (_, dims) => {
    const length = dims.reduce((product, size) => product * size, 1);
    return dims.length === 1 ? new Float32Array(length).fill(1) : Float32Array.from({ length }, () => normal() / Math.sqrt(dims[0]));
  };
}

/** Lays the logical model `read-vision` in Triton's layout for the backend `onnxruntime`, with its `tokenizer.json`. */
export async function layLanguageModel(repository: string, shape: LlavaShape, weights: Weights, name = 'read-vision'): Promise<void> {
  const { layers, width, heads, vocabulary, visualWidth } = shape;
  const cache = `[ ${[layers, 2, heads, -1, width / heads].join(', ')} ]`;
  const folder = join(repository, name);
  await mkdir(join(folder, '1'), { recursive: true });
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(byteTokenizer));
  await writeFile(join(folder, '1', 'model.onnx'), llavaGraph(shape, weights));
  await writeFile(
    join(folder, 'config.pbtxt'),
    `name: "${name}"
backend: "onnxruntime"
max_batch_size: 4
input [
  { name: "input_ids", data_type: TYPE_INT64, dims: [ -1 ] },
  { name: "visual_tokens", data_type: TYPE_FP32, dims: [ -1, ${visualWidth} ] },
  { name: "position_ids", data_type: TYPE_INT64, dims: [ -1 ] },
  { name: "attention_mask", data_type: TYPE_INT64, dims: [ -1 ] },
  { name: "cache", data_type: TYPE_FP32, dims: ${cache} }
]
output [
  { name: "logits", data_type: TYPE_FP32, dims: [ ${vocabulary} ] },
  { name: "next_cache", data_type: TYPE_FP32, dims: ${cache} }
]
`,
  );
}

/** The characters by which byte-level tokenizers write the bytes 0 to 255: themselves where they are visible. */
const byteCharacters = (() => {
  const isVisible = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let hidden = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isVisible(byte) ? byte : hidden++));
})();

const special = (id: number, content: string) => ({ id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false });

/** Each byte of a text is a token; <s> begins. */
const byteTokenizer = {
  version: '1.0',
  added_tokens: [special(beginId, '<s>'), special(endId, '</s>'), special(pictureId, '<image>')],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<s>': { id: '<s>', ids: [beginId], tokens: ['<s>'] } },
  },
  decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  model: { type: 'BPE', vocab: Object.fromEntries(byteCharacters.map((character, byte) => [character, byte])), merges: [], dropout: null, unk_token: null, fuse_unk: false },
};
