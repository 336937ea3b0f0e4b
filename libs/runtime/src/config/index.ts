import { z } from 'zod';

/** A setting that is absent or wrong: the message names the variable, the rule and what came. */
export class ConfigurationError extends Error {}

/**
 * Reads settings from environment variables.
 *
 * @param shape one Zod type per variable; variables that are set to the empty string count as absent.
 * @throws ConfigurationError that lists every wrong variable at once.
 */
export function readEnvironment<Shape extends z.ZodRawShape>(
  shape: Shape,
  environment: NodeJS.ProcessEnv = process.env,
): z.output<z.ZodObject<Shape>> {
  const given = Object.fromEntries(Object.keys(shape).map((name) => [name, environment[name] || undefined]));
  const result = z.object(shape).safeParse(given);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new ConfigurationError(`The configuration is wrong:\n  ${lines.join('\n  ')}`);
}
