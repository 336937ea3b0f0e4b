import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { api, type KeyName, platform } from './api.ts';
import { photo, photoBytes } from './photos.ts';

interface Answer {
  id: string;
  encoder: string;
  encoderVersion: string;
  grid: { rows: number; columns: number };
  tokens: number;
  kept: number;
  width: number;
  method: string;
  seed: number;
  indices: number[];
  scores: number[];
  meanScore: number;
  blobId: string;
  allTokensBlobId: string;
  expiresAt: string;
  isCached: boolean;
  costs: { languageModel: string; all: Cost; kept: Cost; savedCacheBytes: number }[];
  comparisons: { method: string; indices: number[]; overlap: number; jaccard: number; meanScore: number }[];
}
interface Cost {
  tokens: number;
  formulaFlops: number;
  parameterFlops: number;
  cacheBytes: number;
}

const compress = async (body: object, key: KeyName = 'first'): Promise<Answer> => (await api(key).post('/v1/visual/compress', body).expect(200)).body;
/** A picture that no other test compresses: a photo with one pixel of chance. */
async function newPicture(index = 0): Promise<string> {
  const { data, info } = await sharp(await photoBytes(index)).resize(320, 240, { fit: 'fill' }).raw().toBuffer({ resolveWithObject: true });
  crypto.getRandomValues(data.subarray(0, 6));
  return (await sharp(data, { raw: info }).png().toBuffer()).toString('base64');
}

async function blob(id: string, key: KeyName = 'first'): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(`${platform.url}/v1/blobs/${id}`, { headers: { authorization: `Bearer ${platform.keys[key]}` } });
  expect(answer.status).toBe(200);
  return answer.bytes();
}

/** Read as the format says, with no line of ours. */
function tensors(file: Uint8Array<ArrayBuffer>): { metadata: Record<string, string>; numbers: (name: string) => number[]; shape: (name: string) => number[] } {
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const { __metadata__: metadata, ...header } = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  return {
    metadata,
    shape: (name) => header[name].shape,
    numbers(name) {
      const [start, end] = header[name].data_offsets;
      const bytes = file.slice(8 + length + start, 8 + length + end).buffer;
      return [...(header[name].dtype === 'F32' ? new Float32Array(bytes) : new Int32Array(bytes))];
    },
  };
}

const ascending = (values: number[]) => values.toSorted((a, b) => a - b);

describe('a picture', () => {
  it('is compressed to its best tokens, whose file has them with their places', async () => {
    const made = await compress({ picture: { base64: await newPicture() }, budget: { tokens: 28 } });
    expect(made).toMatchObject({ encoder: 'encode-vision', method: 'evocut', grid: { rows: 16, columns: 16 }, tokens: 256, kept: 28, width: 384, isCached: false });
    expect(made.scores).toHaveLength(256);
    // The best 28 by the scores, of equal ones the first.
    const best = made.scores.map((score, token) => ({ score, token })).sort((a, b) => b.score - a.score || a.token - b.token).slice(0, 28);
    expect(made.indices).toEqual(ascending(best.map(({ token }) => token)));
    expect(made.meanScore).toBeCloseTo(best.reduce((sum, { score }) => sum + score, 0) / 28, 6);

    const [kept, all] = await Promise.all([made.blobId, made.allTokensBlobId].map(async (id) => tensors(await blob(id))));
    expect(kept.numbers('indices')).toEqual(made.indices);
    expect(kept.shape('tokens')).toEqual([28, 384]);
    expect(kept.numbers('positions')).toEqual(made.indices.flatMap((index) => [Math.floor(index / 16), index % 16]));
    expect(kept.metadata).toMatchObject({ encoderVersion: made.encoderVersion, method: 'evocut', selectLayer: '-1' });
    const rows = all.numbers('tokens');
    expect(kept.numbers('tokens')).toEqual(made.indices.flatMap((index) => rows.slice(index * 384, (index + 1) * 384)));
    expect(all.numbers('scores')).toEqual(made.scores.map(Math.fround));
  });

  it('costs language models what their figures say', async () => {
    const { costs } = await compress({ picture: { base64: await photo(0) }, budget: { tokens: 64 }, languageModels: ['llava-1.5-7b'] });
    expect(costs).toHaveLength(1);
    // Half a MiB a token; two operations for each of 6.62 billion parameters.
    expect(costs[0]).toMatchObject({ languageModel: 'llava-1.5-7b', all: { tokens: 256, cacheBytes: 128 * 2 ** 20 }, kept: { tokens: 64, cacheBytes: 32 * 2 ** 20, parameterFlops: 64 * 2 * 6.62e9 }, savedCacheBytes: 96 * 2 ** 20 });
    const { body } = await api().get('/v1/visual/methods').expect(200);
    const all = await compress({ picture: { base64: await photo(0) }, budget: { tokens: 64 } });
    expect(all.costs.map(({ languageModel }) => languageModel)).toEqual(body.languageModels.map(({ name }: { name: string }) => name));
  });

  it('that was compressed has the same answer, and one for each tenant', async () => {
    const body = { picture: { base64: await newPicture() }, budget: { ratio: 0.111 } };
    const first = await compress(body);
    expect(first.kept).toBe(28);
    const again = await compress(body);
    expect(again).toEqual({ ...first, isCached: true });
    expect((await api().get(`/v1/visual/compressions/${first.id}`).expect(200)).body).toEqual(again);
    const others = await compress(body, 'second');
    expect(others).toMatchObject({ id: first.id, isCached: false });
    await api('second').delete(`/v1/blobs/${others.blobId}`).expect(200);
    expect(await compress(body)).toEqual(again);
  });

  it('that many ask for at once has one result', async () => {
    const body = { picture: { base64: await newPicture() }, budget: { tokens: 10 } };
    const answers = await Promise.all(Array.from({ length: 6 }, () => compress(body)));
    expect(new Set(answers.map(({ isCached: _, ...answer }) => JSON.stringify(answer))).size).toBe(1);
    expect((await api().get(`/v1/visual/compressions/${answers[0].id}`).expect(200)).body.blobId).toBe(answers[0].blobId);
  });

  it('gives more tokens later, without the picture', async () => {
    const picture = { base64: await newPicture() };
    const few = await compress({ picture, budget: { tokens: 20 } });
    const expand = async (body: object): Promise<Answer> => (await api().post(`/v1/visual/compressions/${few.id}:expand`, body).expect(200)).body;
    const more = await expand({ budget: { tokens: 64 } });
    expect(more).toMatchObject({ kept: 64, isCached: true, allTokensBlobId: few.allTokensBlobId, expiresAt: few.expiresAt });
    expect(more.indices).toEqual(expect.arrayContaining(few.indices));
    expect(tensors(await blob(more.blobId)).shape('tokens')).toEqual([64, 384]);
    expect(await compress({ picture, budget: { tokens: 64 } })).toEqual(more);
    const all = await expand({ budget: { ratio: 1 } });
    expect(all.indices).toEqual(Array.from({ length: 256 }, (_, token) => token));
    expect(await expand({ budget: { tokens: 20 } })).toEqual({ ...few, isCached: true });
  });

  it('whose blobs were deleted is compressed anew, and says so where it cannot be', async () => {
    const body = { picture: { base64: await newPicture() }, budget: { tokens: 5 } };
    const made = await compress(body);
    await api().delete(`/v1/blobs/${made.blobId}`).expect(200);
    expect(await compress(body)).toEqual({ ...made, isCached: true });
    expect((await blob(made.blobId)).length).toBeGreaterThan(5 * 384 * 4);
    await api().delete(`/v1/blobs/${made.allTokensBlobId}`).expect(200);
    const { body: problem } = await api().post(`/v1/visual/compressions/${made.id}:expand`, { budget: { tokens: 6 } }).expect(404);
    expect(problem).toMatchObject({ type: '/problems/compression-not-found', detail: expect.stringContaining('Compress the picture again') });
    const { isCached, ...anew } = await compress(body);
    expect({ isCached, indices: anew.indices }).toEqual({ isCached: false, indices: made.indices });
    await api().post(`/v1/visual/compressions/${made.id}:expand`, { budget: { tokens: 6 } }).expect(200);
  });

  it('comes as a blob too', async () => {
    const bytes = await photoBytes(1);
    const stored = await fetch(`${platform.url}/v1/blobs`, { method: 'POST', headers: { authorization: `Bearer ${platform.keys.first}` }, body: new Uint8Array(bytes) });
    const { id: blobId } = (await stored.json()) as { id: string };
    const made = await compress({ picture: { blobId }, budget: { tokens: 5 } });
    expect((await compress({ picture: { base64: bytes.toString('base64') }, budget: { tokens: 5 } })).id).toBe(made.id);
  });
});

describe('methods', () => {
  it('are offered with what they need', async () => {
    const { body } = await api().get('/v1/visual/methods').expect(200);
    const names = body.methods.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['evocut', 'random', 'grid', 'downsample', 'variation', 'apet', 'visionzip']);
    expect(body.encoders).toEqual([expect.objectContaining({ name: 'encode-vision', isReady: true, reason: '', grid: { rows: 16, columns: 16 }, width: 384, methods: names })]);
  });

  it('are compared in one call', async () => {
    const made = await compress({ picture: { base64: await newPicture() }, budget: { tokens: 32 }, seed: 7, compareWith: ['evocut', 'random', 'grid', 'variation', 'apet', 'visionzip'] });
    const byMethod = new Map(made.comparisons.map((each) => [each.method, each]));
    expect(byMethod.get('evocut')).toMatchObject({ overlap: 32, jaccard: 1, indices: made.indices });
    for (const { method, indices, overlap, jaccard, meanScore } of made.comparisons) {
      const both = indices.filter((index) => made.indices.includes(index)).length;
      expect(overlap).toBe(both);
      expect(jaccard).toBeCloseTo(both / (32 + indices.length - both), 9);
      expect(meanScore, method).toBeCloseTo(indices.reduce((sum, index) => sum + made.scores[index], 0) / indices.length, 6);
      expect(meanScore).toBeLessThanOrEqual(made.meanScore + 1e-9); // no other choice has higher scores
    }
    expect(byMethod.get('random')!.indices).toHaveLength(32);
    expect(byMethod.get('grid')!.indices).toHaveLength(30); // 5 × 6
  });

  it.each(['random', 'grid', 'downsample', 'variation', 'apet', 'visionzip'])('%s compresses by itself, the same each time', async (method) => {
    const body = { picture: { base64: await photo(2) }, budget: { tokens: 16 }, method, seed: 3 };
    const made = await compress(body);
    expect(made).toMatchObject({ method, kept: 16 });
    expect(made.indices).toEqual(ascending([...new Set(made.indices)]));
    expect(await compress(body)).toEqual({ ...made, isCached: true });
    expect(tensors(await blob(made.blobId)).metadata.method).toBe(method);
  });

  it('a picture made smaller has a grid of its own, and all of its tokens are kept', async () => {
    const picture = { base64: await newPicture() };
    const made = await compress({ picture, budget: { tokens: 28 }, method: 'downsample' });
    expect(made).toMatchObject({ grid: { rows: 5, columns: 5 }, tokens: 25, kept: 25, isCached: false, indices: Array.from({ length: 25 }, (_, token) => token) });
    const whole = await compress({ picture, budget: { tokens: 28 } });
    expect(whole).toMatchObject({ grid: { rows: 16, columns: 16 }, isCached: false });
    const { body } = await api().post(`/v1/visual/compressions/${whole.id}:expand`, { budget: { tokens: 64 }, method: 'downsample' }).expect(400);
    expect(body.violations).toEqual([{ pointer: '/method', detail: 'downsample needs the picture' }]);
    expect((await api().post(`/v1/visual/compressions/${made.id}:expand`, { budget: { tokens: 9 }, method: 'evocut' }).expect(200)).body).toMatchObject({ tokens: 25, kept: 9 });
  });

  it('random follows its seed, and the other methods do not', async () => {
    const picture = { base64: await photo(2) };
    const [one, other] = await Promise.all([1, 2].map((seed) => compress({ picture, budget: { tokens: 16 }, method: 'random', seed })));
    expect(one.indices).not.toEqual(other.indices);
    const [same, too] = await Promise.all([1, 2].map((seed) => compress({ picture, budget: { tokens: 16 }, seed })));
    expect(same.id).toBe(too.id);
  });

  it('take tokens from another layer, and average over layers as they are told', async () => {
    const picture = { base64: await photo(2) };
    const [last, earlier, plain] = await Promise.all([{}, { selectLayer: -2 }, { momentum: 0 }].map((options) => compress({ picture, budget: { tokens: 16 }, ...options })));
    expect(earlier.indices).toEqual(last.indices);
    const [lastRows, earlierRows] = await Promise.all([last, earlier].map(async ({ blobId }) => tensors(await blob(blobId)).numbers('tokens')));
    expect(earlierRows).not.toEqual(lastRows);
    expect(plain.scores).not.toEqual(last.scores);
  });
});

describe('a batch', () => {
  it('has for each picture what it has alone', async () => {
    const pictures = [{ base64: await newPicture(0) }, { base64: await newPicture(1) }];
    const { body } = await api().post('/v1/visual/compress:batch', { pictures: [...pictures, pictures[0]], budget: { tokens: 12 } }).expect(200);
    expect(body.compressions[2]).toEqual(body.compressions[0]);
    for (const [index, picture] of pictures.entries()) {
      expect(await compress({ picture, budget: { tokens: 12 } })).toEqual({ ...body.compressions[index], isCached: true });
    }
  });

  it('with one bad picture is refused, names it, and leaves nothing', async () => {
    const good = { base64: await newPicture() };
    const answer = await api().post('/v1/visual/compress:batch', { pictures: [good, good, good, { base64: 'aGVsbG8=' }], budget: { tokens: 12 } }).expect(422);
    expect(answer.body).toMatchObject({ type: '/problems/picture-refused', violations: [{ pointer: '/pictures/3/base64' }] });
    expect((await compress({ picture: good, budget: { tokens: 12 } })).isCached).toBe(false);
  });

  it('of more than 16 pictures is refused', async () => {
    const pictures = Array.from({ length: 17 }, () => ({ base64: 'aGVsbG8=' }));
    expect((await api().post('/v1/visual/compress:batch', { pictures, budget: { tokens: 12 } }).expect(400)).body.violations[0].pointer).toBe('/pictures');
  });
});

describe('an explanation', () => {
  it('is the picture with its scores as colours and frames around what is kept', async () => {
    const picture = { base64: (await sharp({ create: { width: 400, height: 200, channels: 3, background: 'black' } }).composite([{ input: await sharp(await photoBytes(0)).resize(100, 100).toBuffer(), left: 200, top: 50 }]).png().toBuffer()).toString('base64') };
    const { body } = await api().post('/v1/visual/explain', { picture, budget: { tokens: 16 } }).expect(200);
    const made = await compress({ picture, budget: { tokens: 16 } });
    expect(body).toMatchObject({ compressionId: made.id, width: 768, height: 384, expiresAt: made.expiresAt });
    expect([body.lowestScore, body.highestScore]).toEqual([Math.min(...made.scores), Math.max(...made.scores)]);
    const file = await blob(body.blobId);
    expect(createHash('sha256').update(file).digest('hex')).toBe(body.blobId);
    const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.format]).toEqual([768, 384, 'raw']);
    // Every kept cell that no other kept cell hides has a white corner; the middle of none is white.
    const at = (x: number, y: number) => [...data.subarray((y * 768 + x) * 3, (y * 768 + x) * 3 + 3)];
    for (const index of made.indices) {
      const [row, column] = [Math.floor(index / 16), index % 16];
      const isAlone = [index - 1, index + 1, index - 16, index + 16].every((other) => !made.indices.includes(other));
      if (isAlone) expect(at(column * 48, row * 24)).toEqual([255, 255, 255]);
      expect(at(column * 48 + 24, row * 24 + 12)).not.toEqual([255, 255, 255]);
    }
  });
});

describe('what cannot be done is said', () => {
  const withBudget = (budget: object) => ({ budget });
  it.each<[string, object, number, string, string]>([
    ['a budget of 0', withBudget({ tokens: 0 }), 400, 'invalid-request', '/budget/tokens'],
    ['a budget above N', withBudget({ tokens: 257 }), 422, 'budget-too-large', '/budget/tokens'],
    ['a ratio of 0', withBudget({ ratio: 0 }), 400, 'invalid-request', '/budget/ratio'],
    ['a ratio above 1', withBudget({ ratio: 1.01 }), 400, 'invalid-request', '/budget/ratio'],
    ['a ratio that is no number', withBudget({ ratio: 'NaN' }), 400, 'invalid-request', '/budget/ratio'],
    ['both', withBudget({ tokens: 5, ratio: 0.5 }), 400, 'invalid-request', '/budget/ratio'],
    ['neither', withBudget({}), 400, 'invalid-request', '/budget'],
    ['an encoder that is none', { encoder: 'encode-nothing' }, 400, 'invalid-request', '/encoder'],
    ['an encoder without hidden states', { encoder: 'embed-image' }, 422, 'encoder-unsuitable', '/encoder'],
    ['a method that is none', { method: 'fastv' }, 400, 'invalid-request', '/method'],
    ['a method to compare with that is none', { compareWith: ['random', 'fastv'] }, 400, 'invalid-request', '/compareWith/1'],
    ['a method to compare with that has a grid of its own', { compareWith: ['random', 'downsample'] }, 400, 'invalid-request', '/compareWith/1'],
    ['a language model that is none', { languageModels: ['llava-1.5-7b', 'gpt'] }, 400, 'invalid-request', '/languageModels/1'],
    ['a layer that is not shown', { selectLayer: -9 }, 400, 'invalid-request', '/selectLayer'],
    ['a momentum of 1', { momentum: 1 }, 400, 'invalid-request', '/momentum'],
    ['no picture', { picture: {} }, 400, 'invalid-request', '/picture'],
    ['a picture at a private address', { picture: { url: 'https://127.0.0.1/a.png' } }, 422, 'picture-refused', '/picture/url'],
    ['a blob that is not there', { picture: { blobId: 'ab'.repeat(32) } }, 422, 'picture-refused', '/picture/blobId'],
  ])('%s', async (_, change, status, type, pointer) => {
    const { body } = await api().post('/v1/visual/compress', { picture: { base64: await photo(0) }, budget: { tokens: 5 }, ...change });
    expect({ status: body.status, type: body.type }).toEqual({ status, type: `/problems/${type}` });
    expect(body.violations.map((violation: { pointer: string }) => violation.pointer)).toContain(pointer);
  });

  it('what is known is named where a name is not', async () => {
    const problem = async (change: object) => (await api().post('/v1/visual/compress', { picture: { base64: 'aGVsbG8=' }, budget: { tokens: 5 }, ...change })).body.violations[0].detail;
    expect(await problem({ method: 'fastv' })).toContain('evocut, random');
    expect(await problem({ encoder: 'x' })).toContain('encode-vision');
    expect(await problem({ encoder: 'embed-image' })).toContain('hidden states');
    expect(await problem({ languageModels: ['x'] })).toContain('qwen2.5-vl-7b');
  });

  it.each<[string, () => Promise<Buffer>]>([
    ['a truncated one', async () => (await photoBytes(0)).subarray(0, 2_000)],
    ['one that is a ZIP too', async () => Buffer.concat([await photoBytes(0), Buffer.from('504b0506000000000000000000000000000000000000', 'hex')])],
    ['one that holds a script', async () => Buffer.concat([await photoBytes(0), Buffer.from('<script>alert(1)</script>')])],
    ['an SVG', async () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')],
    ['one of 48 megapixels in a small file', async () => sharp({ create: { width: 8_000, height: 6_000, channels: 3, background: 'red' } }).png({ compressionLevel: 9 }).toBuffer()],
    ['an animated one', async () => sharp(Buffer.alloc(2 * 8 * 8 * 3, 1).fill(200, 8 * 8 * 3), { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } }).gif({ delay: [10, 10] }).toBuffer()],
  ])('a picture: %s', async (_, make) => {
    const picture = { base64: (await make()).toString('base64') };
    for (const path of ['/v1/visual/compress', '/v1/visual/explain']) {
      const { body } = await api().post(path, { picture, budget: { tokens: 5 } }).expect(422);
      expect(body).toMatchObject({ type: '/problems/picture-refused', violations: [{ pointer: '/picture/base64' }] });
    }
  });

  it('a compression that never was, and one of another tenant', async () => {
    const { id } = await compress({ picture: { base64: await newPicture() }, budget: { tokens: 5 } });
    for (const path of [`/v1/visual/compressions/${id}`, `/v1/visual/compressions/${'0'.repeat(32)}`]) {
      const { body } = await api('second').get(path).expect(404);
      expect(body).toMatchObject({ type: '/problems/compression-not-found', detail: expect.stringContaining('24 hours') });
      await api('second').post(`${path}:expand`, { budget: { tokens: 5 } }).expect(404);
    }
    await api().post(`/v1/visual/compressions/${id}:expand`, { budget: { tokens: 257 } }).expect(422);
  });
});
