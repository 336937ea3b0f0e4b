import { ConfigurationError } from '@touchstone/runtime/config';
import { demo } from './demo/demo.ts';
import { doctor } from './doctor/doctor.ts';
import { keys } from './key/keys.ts';
import { migrateDatabase } from './migrate.ts';
import { models } from './models.ts';
import { serve } from './serve/serve.ts';
import { UsageError } from './usage-error.ts';

type Command = (words: readonly string[]) => Promise<number>;

const commands: Readonly<Record<string, { run: Command; help: string }>> = {
  serve: { run: serve, help: 'serve [service…]        run all services, or those named (gateway, retrieval)' },
  migrate: { run: migrateDatabase, help: 'migrate                 bring the database up to date (TOUCHSTONE_DATABASE_URL)' },
  keys: { run: keys, help: 'keys create|list|revoke manage API keys; `keys create --tenant NAME --scope SCOPE`' },
  models: { run: models, help: 'models list|pull|verify the weights that the models need' },
  doctor: { run: doctor, help: 'doctor                  say what is missing or broken here, and what to do' },
  demo: { run: demo, help: 'demo                    load the sample collection into a running platform and search it' },
};

/** Runs one command. @returns the exit code: 0 done, 1 failed, 2 not understood. */
export async function program([name, ...words]: readonly string[]): Promise<number> {
  const command = name === undefined ? undefined : commands[name];
  if (!command) {
    const text = `touchstone <command>\n\n${Object.values(commands).map(({ help }) => `  ${help}`).join('\n')}\n`;
    const isAskedFor = name === 'help' || name === '--help';
    (isAskedFor ? process.stdout : process.stderr).write(name === undefined || isAskedFor ? text : `There is no command ${name}.\n\n${text}`);
    return isAskedFor ? 0 : 2;
  }
  try {
    return await command.run(words);
  } catch (error) {
    const isExpected = error instanceof UsageError || error instanceof ConfigurationError;
    process.stderr.write(`touchstone ${name}: ${isExpected ? (error as Error).message : ((error as Error).stack ?? String(error))}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}
