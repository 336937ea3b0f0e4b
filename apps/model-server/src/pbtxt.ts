/** A value of protobuf's text format: field names with their values in order, since any field may be repeated. */
export interface TextMessage {
  [field: string]: TextValue[];
}
export type TextValue = string | number | boolean | TextMessage;

const tokens = /\s+|#[^\n]*|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|([A-Za-z_][\w.]*)|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?f?)|([{}[\]<>:,;])/gy;

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

/**
 * Reads protobuf's text format as `config.pbtxt` uses it: messages, lists, strings, numbers, booleans, enum names (as
 * strings), comments. Neither extensions nor octal and hex escapes.
 *
 * @throws SyntaxError with the line.
 */
export function parsePbtxt(text: string): TextMessage {
  const stream = tokenise(text);
  let position = 0;
  const peek = () => stream[position];
  const fail = (expected: string): never => {
    const token = peek();
    throw new SyntaxError(`line ${token?.line ?? 'last'}: expected ${expected} and got ${token?.text ?? 'the end'}`);
  };
  const isNext = (mark: string) => peek()?.kind === 'mark' && peek().text === mark;
  const take = (mark: string) => isNext(mark) && Boolean(++position);

  function message(end?: string): TextMessage {
    const fields: TextMessage = {};
    while (end === undefined ? peek() !== undefined : !take(end)) {
      if (peek()?.kind !== 'word') fail('a field name');
      const name = stream[position++].text;
      const hasColon = take(':');
      const values = take('[') ? list() : [value(hasColon)];
      (fields[name] ??= []).push(...values);
      if (!take(',')) take(';');
    }
    return fields;
  }

  function list(): TextValue[] {
    const values: TextValue[] = [];
    while (!take(']')) {
      values.push(value(true));
      if (!take(',') && !isNext(']')) fail(', or ]');
    }
    return values;
  }

  function value(mayBeScalar: boolean): TextValue {
    if (take('{')) return message('}');
    if (take('<')) return message('>');
    const token = peek();
    if (!mayBeScalar || token === undefined || token.kind === 'mark') return fail('a value');
    position++;
    if (token.kind === 'number') return Number(token.text.replace(/f$/, ''));
    if (token.kind === 'word' && (token.text === 'true' || token.text === 'false')) return token.text === 'true';
    return token.text;
  }

  return message();
}

interface Token {
  kind: 'string' | 'word' | 'number' | 'mark';
  text: string;
  line: number;
}

function tokenise(text: string): Token[] {
  const found: Token[] = [];
  let line = 1;
  let end = 0;
  for (const match of text.matchAll(tokens)) {
    const [all, string, word, number, mark] = match;
    const kind = string !== undefined ? 'string' : word !== undefined ? 'word' : number !== undefined ? 'number' : 'mark';
    const content = string === undefined ? all : string.slice(1, -1).replace(/\\(.)/g, (_, char) => escapes[char] ?? char);
    if (string ?? word ?? number ?? mark) found.push({ kind, text: content, line });
    line += all.split('\n').length - 1;
    end = match.index + all.length;
  }
  if (end !== text.length) throw new SyntaxError(`line ${line}: cannot read ${JSON.stringify(text.slice(end, end + 20))}`);
  return found;
}
