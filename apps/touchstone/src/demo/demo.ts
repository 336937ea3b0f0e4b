import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ConfigurationError } from '@touchstone/runtime/config';
import { readConfiguration } from '../configuration.ts';
import { UsageError } from '../usage-error.ts';
import { type Loaded, collection, loadPictures, loadTexts } from './load-sample.ts';
import { type Recall, recallOfChanged, recallOfPairs } from './measure.ts';
import { OpenmojiPackage } from './openmoji.ts';
import { RestClient } from './rest-client.ts';
import { type Caller, keyIn, runSearch, sampleSearches } from './searches.ts';
import { waitUntilReady } from './wait-until-ready.ts';


/** Even weak models do better. */
const brokenBelow = 0.5;

/** `demo [--measure]`: loads the sample collection into a running platform, over its public API, and searches it. */
export async function demo(words: readonly string[]): Promise<number> {
  const unknown = words.find((word) => word !== '--measure');
  if (unknown) throw new UsageError(`there is no option ${unknown}; expected nothing or --measure, which also prints recall`);
  const openmoji = OpenmojiPackage.find();
  const { url, key, keyWords, folder } = await caller();
  const onWaiting = (what: string) => say(`waiting for ${url}: ${what}`);
  const client = new RestClient({ url, key, onWaiting });

  await waitUntilReady({ readiness: () => client.readiness(), onWaiting, wait: setTimeout });
  await client.send('PUT', `/v1/collections/${collection}`, { spaces: [{ name: 'text' }, { name: 'image' }] });
  report('texts', await loadTexts(client, progress('texts')));
  report('pictures', await loadPictures(client, openmoji, progress('pictures')));
  say('The pictures are drawings of OpenMoji (openmoji.org, CC BY-SA 4.0).');

  for (const search of await sampleSearches(openmoji, folder)) {
    const { command, answer } = await runSearch(client, { url, keyWords }, search);
    say(`\n# ${search.words}\n${command}\n\n${answer}`);
  }

  return words.includes('--measure') ? await measure(client, openmoji) : 0;
}

/** Prints recall. @returns 1 when it is so low that something must be broken, whatever the models are. */
async function measure(client: RestClient, openmoji: OpenmojiPackage): Promise<number> {
  const pairs = await recallOfPairs(client);
  say(`\n${inWords('the same thought in other words', pairs)}`);
  const mirrored = await recallOfChanged(client, openmoji, 'mirrored');
  say(inWords('a drawing by its mirrored JPEG', mirrored));
  say(inWords('a drawing by its outlines', await recallOfChanged(client, openmoji, 'outlines')));

  const isBroken = pairs.at5 < brokenBelow || mirrored.at5 < brokenBelow;
  if (isBroken) process.stderr.write(`recall@5 below ${brokenBelow}: the models, or what stands before them, are broken\n`);
  return isBroken ? 1 : 0;
}

/** Where the platform is, with which key, and the folder for the demo's files. */
async function caller(): Promise<Caller & { key: string; folder: string }> {
  const { port, dataDir, platformUrl: named, platformKey: key } = readConfiguration();
  const url = (named ?? `http://127.0.0.1:${port}`).replace(/\/+$/, '');
  const folder = join(dataDir, 'demo');
  if (key) return { url, key, keyWords: '$TOUCHSTONE_KEY', folder };

  const file = join(dataDir, 'admin-key');
  try {
    return { url, key: (await readFile(file, 'utf8')).trim(), keyWords: keyIn(file), folder };
  } catch (error) {
    throw new ConfigurationError(
      `There is no key: ${file} cannot be read and TOUCHSTONE_KEY is not set. \`npm start\` writes the file on its first start; ` +
        'for a platform elsewhere, make a key there with `touchstone keys create --tenant NAME --scope retrieval:read --scope retrieval:write`.',
      { cause: error },
    );
  }
}

function say(line: string): void {
  showProgress('');
  process.stdout.write(`${line}\n`);
}

function progress(what: string): (done: number, of: number) => void {
  return (done, of) => showProgress(`${what}: ${done} of ${of}`);
}

/** The last line of a terminal, replaced by the next text; nothing anywhere else. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`);
}

function report(what: string, { count, upserted, unchanged, seconds }: Loaded): void {
  const rate = (count / seconds).toFixed(count / seconds < 10 ? 1 : 0);
  say(`${count} ${what} in ${seconds.toFixed(1)} s (${rate} a second): ${upserted} written, ${unchanged} unchanged`);
}

function inWords(what: string, { queries, at1, at5 }: Recall): string {
  return `${what}: recall@1 ${at1.toFixed(3)}, recall@5 ${at5.toFixed(3)} over ${queries} queries`;
}
