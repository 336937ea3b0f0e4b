export type Level = 'info' | 'warn' | 'error';
export type Log = (level: Level, message: string, fields?: Readonly<Record<string, unknown>>) => void;

const levels: Readonly<Record<Level, number>> = { info: 30, warn: 40, error: 50 };

/** One JSON object a line in pino's form, so that the platform's log holds both. */
export const stderrLog: Log = (level, message, fields = {}) => {
  const line = { level: levels[level], time: Date.now(), pid: process.pid, name: 'model-server', ...fields, msg: message };
  process.stderr.write(`${JSON.stringify(line)}\n`);
};
