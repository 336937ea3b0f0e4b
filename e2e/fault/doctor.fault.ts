import { createServer } from 'node:http';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed, modelsDir, runTouchstone, startTestPlatform, type TestPlatform } from '@touchstone/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let platform: TestPlatform;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'touchstone-parts-'));
  platform = await startTestPlatform({ mode: 'one-process', dataDir: folder });
  await platform.ready();
});

afterAll(async () => {
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('what doctor says', () => {
  const doctor = (environment: NodeJS.ProcessEnv) =>
    runTouchstone(['doctor'], { TOUCHSTONE_DATA_DIR: folder, TOUCHSTONE_MODELS_DIR: modelsDir, ...environment }).catch((error: unknown) => {
      if (error instanceof CommandFailed) return error.output;
      throw error;
    });

  it('a port in use', async () => {
    const other = createServer((_, response) => response.end('somebody else')).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const said = await doctor({ TOUCHSTONE_PORT: String(port) });
    other.closeAllConnections();
    other.close();
    expect(said).toMatch(/FAULT +port 127\.0\.0\.1:\d+: is used by another program/);
    expect(said).toContain('set TOUCHSTONE_PORT');
    await expect(startTestPlatform({ mode: 'one-process', environment: { TOUCHSTONE_PORT: new URL(platform.url).port } })).rejects.toThrow(/EADDRINUSE/);
  });

  it('a platform that runs', async () => {
    const said = await doctor({ TOUCHSTONE_PORT: new URL(platform.url).port });
    expect(said).toMatch(/ok +port .*: a platform serves here/);
    expect(said).toMatch(/ok +serving gateway database: is ready/);
  });

  it('a corrupt and a missing model', async () => {
    const broken = join(folder, 'broken-models');
    const model = join('laptop', 'embed-text');
    await mkdir(join(broken, model, '1'), { recursive: true });
    for (const file of await readdir(join(modelsDir, model))) {
      if (file.includes('.')) await copyFile(join(modelsDir, model, file), join(broken, model, file));
    }
    await writeFile(join(broken, model, '1/model.onnx'), 'not a graph');
    const said = await doctor({ TOUCHSTONE_MODELS_DIR: broken });
    expect(said).toMatch(/FAULT +model embed-text: its files are corrupt/);
    expect(said).toMatch(/FAULT +model embed-image: its files are missing/);
    expect(said).toContain('touchstone models pull');
  });

  it('a database that is not there', async () => {
    const url = 'postgresql://nobody@127.0.0.1:1/none';
    const said = await doctor({
      TOUCHSTONE_DATABASE_URL: url,
      TOUCHSTONE_GATEWAY_DATABASE_URL: url,
      TOUCHSTONE_GATEWAY_SYSTEM_DATABASE_URL: url,
      TOUCHSTONE_RETRIEVAL_DATABASE_URL: url,
      TOUCHSTONE_RETRIEVAL_SYSTEM_DATABASE_URL: url,
    });
    expect(said).toMatch(/FAULT +database of gateway: .*ECONNREFUSED/);
    expect(said).toContain('TOUCHSTONE_RETRIEVAL_SYSTEM_DATABASE_URL');
  });
});
