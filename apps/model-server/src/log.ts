export type Level = 'info' | 'warn' | 'error';
export type Log = (level: Level, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** One JSON object a line in the form of the platform's own lines. */
export const stderrLog: Log = (level, message, fields = {}) => {
  const line = { level, time: new Date().toISOString(), service: 'model-server', ...fields, msg: message };
  process.stderr.write(`${JSON.stringify(line)}\n`);
};
