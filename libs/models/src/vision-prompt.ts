import type { TextTokenizer } from './tokenizer.ts';

/** What a prompt is made of. */
export interface PromptParts {
  /** What the vector is for, in words. */
  readonly instruction: string;
  readonly text: string;
  /** Tokens of each picture. */
  readonly pictures: readonly number[];
  /** Of the whole prompt. */
  readonly maximumTokens: number;
}

/** Stands for one token of a picture. */
export const imagePad = '<|image_pad|>';

/** Far more characters than the longest prompt has tokens, and a bound on the time of one text. */
const maximumCharacters = 65_536;

/**
 * Ids of Qwen3-VL-Embedding's prompt as its released program makes it (github.com/QwenLM/Qwen3-VL-Embedding, its chat template with a
 * generation prompt): the instruction as the system's message, pictures and then the text as the user's, and the beginning of
 * an answer, whose last token has the vector. A long text loses its end, and nothing else is cut.
 */
export function promptIds(tokenizer: TextTokenizer, { instruction, text, pictures, maximumTokens }: PromptParts): number[] {
  const shown = `<|vision_start|>${imagePad}<|vision_end|>`.repeat(pictures.length);
  // A special token never joins what stands beside it, so both halves are cut as the whole would be.
  const head = tokenizer.ids(`<|im_start|>system\n${plain(instruction)}<|im_end|>\n<|im_start|>user\n${shown}${plain(text.slice(0, maximumCharacters))}`, false);
  const tail = tokenizer.ids('<|im_end|>\n<|im_start|>assistant\n', true);
  const pad = tokenizer.idOf(imagePad);
  let picture = 0;
  const expanded = head.flatMap((id) => (id === pad ? Array<number>(pictures[picture++]).fill(id) : [id]));
  return [...expanded.slice(0, maximumTokens - tail.length), ...tail];
}

/** A text that spells a special token is not one: a space goes between. */
const plain = (text: string): string => text.replace(/<\|(?=\w+\|>)/g, '< |');
