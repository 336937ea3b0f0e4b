/** What this does and how to start it: examples/README.md. */
import { Tokenizer } from '@huggingface/tokenizers';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compressPicture, fetchTokens } from './compression.ts';
import { type Answer, LanguageModel } from './language-model.ts';
import { startModelServer } from './model-server.ts';
import { placePicture } from './prompt.ts';
import { layLanguageModel, seededWeights, tinyShape } from './tiny-language-model.ts';

const { values: option, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    keep: { type: 'string', default: '256,128,64,28' },
    method: { type: 'string', default: 'evocut' },
    question: { type: 'string', default: 'What is in this picture?' },
    sequential: { type: 'boolean', default: false },
    answer: { type: 'string', default: '16' },
    repeat: { type: 'string', default: '5' },
    'language-model': { type: 'string' },
    tokenizer: { type: 'string' },
  },
});
const [file] = positionals;
const counts = [...option.keep.split(','), option.answer, option.repeat].map(Number);
if (file === undefined || counts.some((count) => !(Number.isInteger(count) && count >= 1)) || (option['language-model'] === undefined) !== (option.tokenizer === undefined)) {
  console.error('expected: PICTURE [--keep 256,128,64,28] [--method evocut] [--question TEXT] [--sequential] [--answer TOKENS] [--repeat TIMES] [--language-model HOST:PORT --tokenizer FILE]');
  process.exit(2);
}
const key = process.env.TOUCHSTONE_KEY ?? (await readFile(new URL('../../.touchstone/admin-key', import.meta.url), 'utf8')).trim();
const platform = { url: process.env.TOUCHSTONE_URL ?? 'http://127.0.0.1:8080', key };
const picture = await readFile(resolve(process.env.INIT_CWD ?? '.', file)); // npm runs this in its own folder

const [first, ...others] = option.keep.split(',').map(Number);
const compressions = [await timedCompression(first)]; // alone, because the others find its tokens
for (const keep of others) compressions.push(await timedCompression(keep));
const { visual, encoder, grid } = compressions[0];
process.stdout.write(`${encoder}: ${grid.rows} × ${grid.columns} = ${visual.tokens} tokens of ${visual.width} numbers\n`);

const tiny = option['language-model'] === undefined ? await startTinyModel(visual.width) : undefined;
try {
  const model = await LanguageModel.connect(tiny?.url ?? option['language-model']!);
  try {
    await readAll(model, new Tokenizer(JSON.parse(await readFile(tiny?.tokenizer ?? option.tokenizer!, 'utf8')), {}));
  } finally {
    model.close();
  }
} finally {
  await tiny?.stop();
}

async function timedCompression(keep: number) {
  const started = performance.now();
  const compression = await compressPicture(platform, picture, keep, option.method);
  const ms = performance.now() - started;
  return { ...compression, ms, visual: await fetchTokens(platform, compression.blobId, compression.tokens) };
}

/** A language model that has read nothing, on a model server of its own. */
async function startTinyModel(visualWidth: number) {
  const repository = await mkdtemp(join(tmpdir(), 'visual-tokens-'));
  const removed = () => rm(repository, { recursive: true, force: true });
  try {
    await layLanguageModel(repository, tinyShape(visualWidth), seededWeights(1));
    const { url, stop } = await startModelServer(repository);
    return { url, tokenizer: join(repository, 'read-vision/tokenizer.json'), stop: () => stop().then(removed) };
  } catch (error) {
    await removed();
    throw error;
  }
}

async function readAll(model: LanguageModel, tokenizer: Tokenizer): Promise<void> {
  const pictureId = tokenizer.token_to_id('<image>')!;
  const { ids } = tokenizer.encode(`USER: <image>\n${option.question} ASSISTANT:`);
  const maximumTokens = Number(option.answer);
  const endId = tokenizer.token_to_id('</s>');

  for (const { visual, ms, isCached, costs } of compressions) {
    const prompt = placePicture(ids, pictureId, visual, option.sequential ? 'sequential' : 'original');
    const { inputIds, positionIds, nextPosition } = prompt;
    const answers: Answer[] = [];
    while (answers.length < Number(option.repeat)) answers.push(await model.answer(prompt, visual, { maximumTokens, endId }));
    const [from, to] = [inputIds.indexOf(pictureId), inputIds.lastIndexOf(pictureId)];
    const prefillMs = median(answers.map((answer) => answer.prefillMs));
    const decodeMs = median(answers.map((answer) => answer.decodeMs));
    const [{ ids: answer, logits }] = answers;
    const lines = [
      `${visual.kept.length} kept: input_ids [1, ${inputIds.length}], visual_tokens [1, ${visual.kept.length}, ${visual.width}]`,
      `  positions  the picture at ${positionIds.slice(from, from + 4).join(', ')} … ${positionIds[to]}, text behind it to ${nextPosition - 1}`,
      `  compress   ${ms.toFixed(0)} ms${isCached ? ' (the encoder did not run again)' : ' (encoder, selection, service)'}`,
      `  prefill    ${prefillMs.toFixed(1)} ms`,
      `  decode     ${decodeMs.toFixed(1)} ms for ${logits.length - 1} more tokens`,
      ...costs.map(({ languageModel, kept }) => `  ${languageModel} would need ${(kept.parameterFlops / 1e12).toFixed(2)} TFLOPs (2 × parameters × tokens) and ${(kept.cacheBytes / 2 ** 20).toFixed(0)} MiB of keys and values for these`),
      `  answer     ${tiny ? `token ids ${answer.join(' ')}: weights are random, so they say nothing` : tokenizer.decode([...answer])}`,
    ];
    process.stdout.write(`\n${lines.join('\n')}\n`);
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
