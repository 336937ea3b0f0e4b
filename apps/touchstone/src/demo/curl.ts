/** A POST of JSON, as `curl` is to send it. */
export interface CurlRequest {
  readonly url: string;
  /** What the shell puts where the key belongs, such as `$(cat .touchstone/admin-key)`; the key itself is never shown. */
  readonly keyWords: string;
  /** The body, or the file that holds it. */
  readonly body: string | { readonly file: string };
}

/** A command that can be pasted into any POSIX shell. */
export function curlCommand({ url, keyWords, body }: CurlRequest): string {
  const data = typeof body === 'string' ? body : `@${body.file}`;
  return [
    `curl -sS ${shellWord(url)}`,
    `  -H "Authorization: Bearer ${keyWords}"`,
    `  -H 'Content-Type: application/json'`,
    `  -d ${shellWord(data)}`,
  ].join(' \\\n');
}

/** What puts a file's content there, for use inside double quotes. */
export function contentOf(file: string): string {
  return `$(cat ${shellWord(file)})`;
}

/** One word for a POSIX shell: as it stands where nothing in it is special, else in single quotes. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
