import { readdirSync } from 'node:fs';
import { defineConfig, type OxlintConfig } from 'oxlint';

/**
 * Who may import what; tools/boundaries.spec.ts breaks each rule on purpose. A later override replaces an earlier one as a
 * whole, so each block below says all that holds in its folder.
 */

/** Packages that one place of the tree may import. */
const doors = {
  'onnxruntime-node': 'Only apps/model-server runs models in process; others call it through libs/models.',
  kafkajs: 'Only libs/messaging/src/kafka/kafka-client.ts talks to Kafka; others use the outbox and @OnEvent.',
  sharp: 'Only libs/models decodes pictures, in a process that may be killed.',
};
type Door = keyof typeof doors;
const allDoors = Object.keys(doors) as Door[];

const paths = [
  { regex: '^([~#]|@/)', message: 'There are no path aliases: import ./file.ts by name, or a package by its name.' },
  { regex: '^@touchstone/[^/]+/(src|dist)(/|$)', message: 'A package has one index.ts; import from it.' },
];
const ownPackage = { regex: '^(\\.\\./)+(apps|services|libs)/', message: 'Import another package by its name, not by its path.' };

const libraries = readdirSync(new URL('libs', import.meta.url));
/** A new service or app is closed to services and libs without a line here. */
const onlyLibraries = {
  group: ['@touchstone/*', ...libraries.map((name) => `!@touchstone/${name}`)],
  message: 'Services and libs import only libs: call another service by its contract or hear its events.',
};
/** What users could write themselves. */
const client = { ...onlyLibraries, message: 'An example is a client: it imports only libs, and calls services over REST.' };

const pure = {
  regex:
    '^(@nestjs/.+|@grpc/.+|@touchstone/(files|messaging|models|persistence)|fastify|pg|rxjs|typeorm' +
    '|node:(child_process|cluster|dgram|dns|fs|http|http2|https|net|os|timers|tls|worker_threads)(/.+)?)$',
  allowTypeImports: true,
  message: 'A file without a dot in its name is pure: no framework, no I/O. Say what else it is: <feature>.<kind>.ts.',
};
/** The gateway holds no algorithm. The others do I/O under a name without a dot: a new one is better named <feature>.<kind>.ts. */
const adapters = [
  'services/gateway/**',
  'services/retrieval/src/index/{scan-thread,scan-worker,scanner}.ts',
];
const pureProperties: [string, ...object[]] = [
  'error',
  { object: 'Math', property: 'random', message: 'Randomness is an argument: random: () => number.' },
  { object: 'Date', property: 'now', message: 'Time is an argument: now: Date.' },
];

function imports(patterns: readonly object[], open: readonly Door[] = []) {
  const closed = allDoors.filter((name) => !open.includes(name));
  return ['error', { paths: closed.map((name) => ({ name, message: doors[name] })), patterns: [...paths, ...patterns] }];
}

export default defineConfig({
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'vitest'],
  categories: { correctness: 'error' },
  ignorePatterns: ['libs/contracts/gen', 'services/retrieval/kernel', 'third_party', '**/dist'],
  rules: {
    'no-restricted-imports': imports([ownPackage]),
    'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
    'unicorn/no-new-array': 'off', // new Array<T>(length) is a size, and we mean it
    'unicorn/no-useless-spread': 'off', // [...set] is a copy to iterate while the set changes
    'vitest/no-conditional-expect': 'off', // model tests compare in loops
    'vitest/no-standalone-expect': 'off', // a fixture may check what it starts
    'vitest/require-to-throw-message': 'off', // rejects.toThrow() of a cancelled call
    'vitest/valid-expect': 'off', // refuses expect(value, message), and a promise that is awaited below
    'vitest/valid-title': 'off', // a title may be a constant that two suites share
    'vitest/expect-expect': 'off', // helpers expect, under many names
  },
  overrides: [
    { files: ['libs/**', 'services/**'], rules: { 'no-restricted-imports': imports([ownPackage, onlyLibraries]) } },
    { files: ['apps/model-server/**'], rules: { 'no-restricted-imports': imports([ownPackage], ['onnxruntime-node']) } },
    { files: ['apps/touchstone/src/demo/**'], rules: { 'no-restricted-imports': imports([ownPackage], ['sharp']) } },
    { files: ['libs/models/**'], rules: { 'no-restricted-imports': imports([ownPackage, onlyLibraries], ['sharp']) } },
    {
      files: ['libs/messaging/src/kafka/kafka-client.ts'],
      rules: { 'no-restricted-imports': imports([ownPackage, onlyLibraries], ['kafkajs']) },
    },
    {
      files: ['libs/statistics/src/**/*.ts', 'services/*/src/*/*.ts'],
      excludeFiles: ['**/*.*.ts', ...adapters],
      rules: { 'no-restricted-imports': imports([ownPackage, onlyLibraries, pure]), 'no-restricted-properties': pureProperties },
    },
    // A test makes pictures and asks the engine itself; a bench also reaches inside what it measures.
    { files: ['{libs,services}/**/*.spec.ts'], rules: { 'no-restricted-imports': imports([ownPackage, onlyLibraries], allDoors) } },
    { files: ['apps/**/*.spec.ts'], rules: { 'no-restricted-imports': imports([ownPackage], allDoors) } },
    { files: ['examples/**'], rules: { 'no-restricted-imports': imports([ownPackage, client]) } },
    { files: ['bench/**', 'e2e/**'], rules: { 'no-restricted-imports': imports([], allDoors) } },
  ],
} as OxlintConfig);
