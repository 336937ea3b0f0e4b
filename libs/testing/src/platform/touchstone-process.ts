import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../../', import.meta.url));
const startTimeoutMs = 120_000;

export interface TouchstoneProcess {
  readonly pid: number;
  /** That it was asked for; none are all. */
  readonly services: readonly string[];
  /** Public address, when the gateway runs there. */
  readonly url?: string;
  /** Lines of its log so far, newest last, at most 2,000. */
  readonly log: readonly string[];
  /** Ends it with a signal and waits until it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Exit code, null after a signal. */
  readonly ended: Promise<number | null>;
}

function launch(words: readonly string[], environment: NodeJS.ProcessEnv, stdout: 'ignore' | 'pipe'): ChildProcess {
  return spawn(
    process.execPath,
    ['--conditions=@touchstone/source', '--import', './source.mjs', 'apps/touchstone/src/main.ts', ...words],
    { cwd: repository, env: { ...ownEnvironment(), ...environment }, stdio: ['ignore', stdout, 'pipe'] },
  );
}

/** Without settings of a platform that this process happens to have. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TOUCHSTONE_') && name !== 'NODE_OPTIONS'));
}

/** Starts `touchstone serve …` as a process of its own. @throws Error with the end of its log when it does not come up. */
export async function serveTouchstone(services: readonly string[], environment: NodeJS.ProcessEnv): Promise<TouchstoneProcess> {
  const child = launch(['serve', ...services], environment, 'ignore');
  const log: string[] = [];
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const url = await new Promise<string | undefined>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`touchstone serve ${services.join(' ')} ${why}:\n${log.slice(-30).join('\n')}`));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail('did not come up in time');
    }, startTimeoutMs);
    void ended.then((code) => {
      clearTimeout(timer);
      fail(`ended with ${code}`);
    });
    createInterface(child.stderr!).on('line', (line) => {
      log.push(line);
      if (log.length > 2_000) log.shift();
      if (!line.includes('"msg":"serving"')) return;
      clearTimeout(timer);
      resolve((JSON.parse(line) as { url?: string }).url);
    });
  });
  return {
    pid: child.pid!,
    services,
    url,
    log,
    ended,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      await ended;
    },
  };
}

/** A command ended with another code than 0. */
export class CommandFailed extends Error {
  constructor(
    words: readonly string[],
    readonly code: number | null,
    /** What it printed all the same. */
    readonly output: string,
    errors: string,
  ) {
    super(`touchstone ${words.join(' ')} ended with ${code}:\n${errors}`);
  }
}

/** Runs a command to its end. @returns what it printed. @throws CommandFailed */
export async function runTouchstone(words: readonly string[], environment: NodeJS.ProcessEnv): Promise<string> {
  const child = launch(words, environment, 'pipe');
  let output = '';
  let errors = '';
  child.stdout!.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr!.setEncoding('utf8').on('data', (text) => (errors += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new CommandFailed(words, code, output, errors);
  return output;
}
