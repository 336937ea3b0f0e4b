export interface Statement {
  sql: string;
  /** 1-based line of the statement's first character. */
  line: number;
}

/** Quoted text, a dollar-quoted body or a comment, in which a semicolon ends nothing. */
const token = /'(?:[^']|'')*'|"[^"]*"|(\$\w*\$)[\s\S]*?\1|--[^\n]*|\/\*[\s\S]*?\*\/|;/g;

/**
 * Splits plain SQL at its semicolons, so that an error can name its line. Escape strings (`E'\''`), nested comments and
 * `begin atomic` bodies are not understood.
 */
export function statements(script: string): Statement[] {
  const result: Statement[] = [];
  let start = 0;
  const add = (end: number) => {
    const text = script.slice(start, end);
    const blank = text.match(/^(?:\s|--[^\n]*|\/\*[\s\S]*?\*\/)*/)![0].length;
    if (blank < text.length) result.push({ sql: text.slice(blank), line: lineAt(script, start + blank) });
    start = end + 1;
  };
  for (const { 0: found, index } of script.matchAll(token)) if (found === ';') add(index);
  add(script.length);
  return result;
}

/** 1-based line of a 0-based offset. */
export const lineAt = (text: string, offset: number) => text.slice(0, offset).split('\n').length;
