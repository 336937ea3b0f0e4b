/** Where visual tokens stand in a prompt, and which positions the language model is told. */

/** A picture of N visual tokens, of which `kept` remain, in raster order. */
export interface KeptTokens {
  readonly kept: readonly number[];
  /** N, before any was dropped. */
  readonly tokens: number;
}

/**
 * `original`: every token has the position that it has when nothing is dropped. `sequential`: 0, 1, 2, …, as LLaVA's code
 * numbers whatever it reads. They are the same when all tokens are kept.
 */
export type Positions = 'original' | 'sequential';

/** s tokens: text, and `pictureId` for each visual token. */
export interface PlacedPrompt {
  readonly inputIds: readonly number[];
  readonly positionIds: readonly number[];
  /** Position of the first token of the answer. */
  readonly nextPosition: number;
}

/**
 * @param ids of the prompt, `pictureId` once among them.
 * @throws RangeError when the picture is not there once, or the kept tokens are none of the picture in raster order.
 */
export function placePicture(ids: readonly number[], pictureId: number, picture: KeptTokens, positions: Positions = 'original'): PlacedPrompt {
  const { before, after } = aroundPicture(ids, pictureId, picture);
  const { kept, tokens } = picture;
  const inputIds = [...before, ...kept.map(() => pictureId), ...after];
  if (positions === 'sequential') return { inputIds, positionIds: inputIds.map((_, place) => place), nextPosition: inputIds.length };

  const start = before.length;
  const positionIds = [...before.keys(), ...kept.map((token) => start + token), ...after.map((_, place) => start + tokens + place)];
  return { inputIds, positionIds, nextPosition: start + tokens + after.length };
}

/** Which tokens of a prompt with the whole picture others may look at, so that dropped ones have no effect. */
export function withoutDropped({ inputIds }: PlacedPrompt, pictureId: number, kept: readonly number[]): boolean[] {
  let token = 0;
  return inputIds.map((id) => id !== pictureId || kept.includes(token++));
}

/**
 * The positions of Qwen2.5-VL (M-RoPE, arXiv:2502.13923): three for each token, time, row and column. Text has three equal
 * ones; a picture's tokens have its start, plus row and column of the grid after the merger of 2 × 2 patches; the text behind
 * it goes on after the grid's longer side, whatever was dropped.
 *
 * @returns three lists of s positions.
 * @throws RangeError as `placePicture`.
 */
export function gridPositions(ids: readonly number[], pictureId: number, kept: readonly number[], { rows, columns }: { rows: number; columns: number }): [number[], number[], number[]] {
  const { before, after } = aroundPicture(ids, pictureId, { kept, tokens: rows * columns });
  const start = before.length;
  const behind = start + Math.max(rows, columns);
  const along = (ofToken: (token: number) => number) => [...before.keys(), ...kept.map((token) => start + ofToken(token)), ...after.map((_, place) => behind + place)];
  return [along(() => 0), along((token) => Math.floor(token / columns)), along((token) => token % columns)];
}

function aroundPicture(ids: readonly number[], pictureId: number, { kept, tokens }: KeptTokens): { before: readonly number[]; after: readonly number[] } {
  const start = ids.indexOf(pictureId);
  if (start < 0 || ids.indexOf(pictureId, start + 1) >= 0) throw new RangeError('prompt: expected the picture once');
  const odd = kept.findIndex((token, place) => !(token > (kept[place - 1] ?? -1) && token < tokens));
  if (odd >= 0) throw new RangeError(`kept[${odd}]: expected an ascending list of tokens below ${tokens}, got ${kept[odd]}`);
  return { before: ids.slice(0, start), after: ids.slice(start + 1) };
}
