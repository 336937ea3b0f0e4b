import { startTemplateServer, templateServerVariable } from './template-server.ts';

/** vitest's globalSetup. PostgreSQL itself starts with the first test file that asks for a database. */
export default async function setup(): Promise<() => Promise<void>> {
  const { path, stop } = await startTemplateServer();
  process.env[templateServerVariable] = path;
  return stop;
}
