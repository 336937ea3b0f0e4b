/** A step of a README: commands, and the answer that stands below them. */
export interface Step {
  readonly commands: string;
  /** The JSON block that follows, if one does. */
  readonly answer?: unknown;
}

/**
 * The steps that a reader of a README follows, up to the last one that promises an answer: each ```sh block, with the
 * ```json block that follows it as its answer. Lines that fetch the repository are left out: who runs this has it.
 */
export function steps(markdown: string): Step[] {
  const blocks = [...markdown.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => ({ language, text }));
  const found = blocks.flatMap(({ language, text }, index): Step[] => {
    if (language !== 'sh') return [];
    const commands = text.split('\n').filter((line) => !/^\s*(git clone|cd) /.test(line)).join('\n').trim();
    const next = blocks[index + 1];
    return [{ commands, ...(next?.language === 'json' ? { answer: JSON.parse(next.text) } : {}) }];
  });
  return found.slice(0, found.findLastIndex(({ answer }) => answer !== undefined) + 1);
}

/**
 * Where an answer is not the promised one.
 *
 * Numbers may differ by 0.01: processors round vectors differently. `…` stands for any text. What is not promised may be there too: ids, times and
 * cursors are left out of a page. Lists are compared whole.
 * @returns lines such as `/hits/0/id: expected "cat" and got "dog"`; none when it is the promised one.
 */
export function differences(expected: unknown, actual: unknown, pointer = ''): string[] {
  if (expected === '…' && typeof actual === 'string') return [];
  if (typeof expected === 'number' && typeof actual === 'number' && Math.abs(expected - actual) <= 0.01) return [];
  if (!isTree(expected) || !isTree(actual) || Array.isArray(expected) !== Array.isArray(actual)) {
    return expected === actual ? [] : [`${pointer || '/'}: expected ${JSON.stringify(expected)} and got ${JSON.stringify(actual)}`];
  }
  const keys = new Set([...Object.keys(expected), ...(Array.isArray(expected) ? Object.keys(actual) : [])]);
  return [...keys].flatMap((key) => differences(expected[key], actual[key], `${pointer}/${key}`));
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
