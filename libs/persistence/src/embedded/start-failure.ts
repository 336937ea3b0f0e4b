/** Turns PostgreSQL's own words into what is wrong and what to do; the last lines of its log are always there. */
export function explainStartFailure(log: string, { folder, port }: { folder: string; port?: number }): Error {
  const lastLines = log.trim().split('\n').slice(-8).join('\n');
  return new Error(`PostgreSQL did not start: ${reason(log, folder, port)}\n${lastLines}`);
}

function reason(log: string, folder: string, port?: number): string {
  if (/No space left on device|Disk quota exceeded/.test(log)) return `the disk of ${folder} is full. Free some space and start again.`;
  if (/Address already in use|could not create any TCP\/IP sockets/.test(log)) return `port ${port} is in use. Stop what listens there or choose another port.`;
  if (/lock file "[^"]*" already exists/.test(log)) return `another PostgreSQL uses ${folder}. Stop it first.`;
  if (/database files are incompatible with server/.test(log)) return `${folder} was written by another version of PostgreSQL.`;
  if (/EACCES|Permission denied/.test(log)) return `${folder} or PostgreSQL's binaries cannot be entered by the user it runs as. As root that is the user postgres: put both where others may enter (chmod o+x), for example not below /root.`;
  return `see ${folder}/log.`;
}
