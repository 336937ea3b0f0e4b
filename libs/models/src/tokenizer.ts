import { Tokenizer } from '@huggingface/tokenizers';
import { readFile } from 'node:fs/promises';

/** Characters that are looked at: far more than the longest input has tokens, and a bound on the time of one text. */
const maximumCharacters = 8_192;

/** Cuts texts into token ids as a `tokenizer.json` says. */
export class TextTokenizer {
  private constructor(
    private readonly tokenizer: Tokenizer,
    private readonly maximumTokens: number,
    private readonly hasSpecialTokens: boolean,
  ) {}

  /** @throws the file system's error, or SyntaxError, when the file is missing or broken. */
  static async open(file: string, maximumTokens: number, hasSpecialTokens = true): Promise<TextTokenizer> {
    const description = JSON.parse(await readFile(file, 'utf8'));
    // Padding and truncation are ours: the file's fixed padding to 128 would make a short text as dear as a long one.
    return new TextTokenizer(new Tokenizer({ ...description, padding: null, truncation: null }, {}), maximumTokens, hasSpecialTokens);
  }

  /** Ids of the whole text, in which special tokens may be spelled. @param hasEnds with the special tokens at the ends. */
  ids(text: string, hasEnds: boolean): number[] {
    return this.tokenizer.encode(text, { add_special_tokens: hasEnds }).ids;
  }

  /** @throws Error when the vocabulary does not have the token. */
  idOf(token: string): number {
    const id = this.tokenizer.token_to_id(token);
    if (id === undefined) throw new Error(`the tokenizer has no token ${token}`);
    return id;
  }

  /** Ids, with the special tokens at the ends where the model has them, at most `maximumTokens`: a long text loses its end. */
  encode(text: string): number[] {
    const { ids } = this.tokenizer.encode(text.slice(0, maximumCharacters), { add_special_tokens: this.hasSpecialTokens });
    if (ids.length <= this.maximumTokens) return ids;
    if (!this.hasSpecialTokens) return ids.slice(0, this.maximumTokens);
    return [...ids.slice(0, this.maximumTokens - 1), ids.at(-1)!];
  }
}
