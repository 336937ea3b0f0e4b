import { ConfigurationError } from '@touchstone/runtime/config';
import { UsageError } from './usage-error.ts';

type Command = (words: readonly string[]) => Promise<number>;

/** Each command loads its own code only, so that small ones answer at once. */
const commands: Readonly<Record<string, { load: () => Promise<Command>; help: string }>> = {
  serve: { load: async () => (await import('./serve/serve.ts')).serve, help: 'serve [service…]         run all services, or those named' },
  migrate: { load: async () => (await import('./migrate.ts')).migrateDatabase, help: 'migrate                  bring the database up to date' },
  keys: { load: async () => (await import('./key/keys.ts')).keys, help: 'keys create|list|…       create, list, rotate and revoke API keys' },
  tenants: { load: async () => (await import('./tenant/tenants.ts')).tenants, help: 'tenants limit             say how often a tenant may call, and how much it may store' },
  models: { load: async () => (await import('./models/models.ts')).models, help: 'models list|pull|verify  the weights that the models need' },
  topics: { load: async () => (await import('./topics/topics.ts')).topics, help: 'topics apply             create the topics of events that Kafka lacks; say which differ' },
  dlq: { load: async () => (await import('./dead-letters/dead-letters.ts')).deadLetterQueue, help: 'dlq list|replay          events that were given up, with their cause; try them again' },
  config: { load: async () => (await import('./config.ts')).config, help: 'config explain           every setting: its value, where it comes from, what it means' },
  doctor: { load: async () => (await import('./doctor/doctor.ts')).doctor, help: 'doctor                   say what is missing or broken here, and what to do' },
  demo: { load: async () => (await import('./demo/demo.ts')).demo, help: 'demo                     load the sample collection into a running platform and search it' },
};

const help = `touchstone <command>\n\n${Object.values(commands).map((command) => `  ${command.help}`).join('\n')}\n`;

/** Runs one command. @returns the exit code: 0 done, 1 failed, 2 not understood. */
export async function program([name, ...words]: readonly string[]): Promise<number> {
  if (name === 'help' || name === '--help') {
    process.stdout.write(help);
    return 0;
  }
  const command = name === undefined ? undefined : commands[name];
  if (!command) {
    process.stderr.write(name === undefined ? help : `There is no command ${name}.\n\n${help}`);
    return 2;
  }
  try {
    return await (await command.load())(words);
  } catch (error) {
    const isExpected = error instanceof UsageError || error instanceof ConfigurationError;
    process.stderr.write(`touchstone ${name}: ${isExpected ? error.message : ((error as Error).stack ?? String(error))}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}
