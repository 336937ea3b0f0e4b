/** A fenced block of a page. */
export interface Block {
  readonly language: string;
  /** What stands behind the language: for the blocks of a file, its path. */
  readonly title: string;
  readonly text: string;
}

export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w+)(?: +(\S+))?\n(.*?)^```$/gms)].map(([, language, title = '', text]) => ({ language, title, text }));
}

/**
 * Adds the `+` lines of a block to a file, where the lines around them stand.
 *
 * @param edit lines that begin with a space, for those that are there, or with a plus.
 * @throws Error when those that are there stand nowhere, or in more places than one.
 */
export function edited(file: string, edit: string): string {
  const lines = edit.replace(/\n$/, '').split('\n');
  const wrong = lines.find((line) => !/^[ +]/.test(line));
  if (wrong !== undefined) throw new Error(`A line begins with neither a space nor a plus: ${wrong}`);
  const present = lines.filter((line) => line.startsWith(' ')).map((line) => line.slice(1));
  const all = file.split('\n');
  const places = all.flatMap((_, at) => (present.every((line, index) => all[at + index] === line) ? [at] : []));
  if (places.length !== 1) throw new Error(`These lines stand in ${places.length} places, expected one:\n${present.join('\n')}`);
  return all.toSpliced(places[0], present.length, ...lines.map((line) => line.slice(1))).join('\n');
}
