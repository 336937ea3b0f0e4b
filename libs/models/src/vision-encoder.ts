/**
 * What an encoder may say of one picture of N tokens: they are its patches in raster order, without a class token. A patch is a
 * cell of the grid, which lies evenly over the whole picture.
 */
export interface VisionOutputs {
  /** EvoCut's score of each token, N numbers; the highest are kept. */
  scores: Float32Array;
  /** Rows of the kept tokens in the order of `indices`, K × width numbers. */
  keptTokens: Float32Array;
  /** Rows of all tokens, N × width numbers. */
  allTokens: Float32Array;
  /** How far each token moves between layers on average, N numbers (L2): the measure of V2Drop, in the encoder. */
  variation: Float32Array;
  /** Attention that the class token pays to each token in the last layer but one, summed over heads, N numbers: VisionZip. */
  classAttention: Float32Array;
  /** Attention keys of each token in that layer, the mean over heads, N × size numbers: what VisionZip compares tokens by. */
  attentionKeys: Float32Array;
}

export interface TokenGrid {
  rows: number;
  columns: number;
}

/** What the encoder said of one picture, with the outputs that were asked for. */
export type EncodedPicture<Output extends keyof VisionOutputs> = Pick<VisionOutputs, Output> & {
  /** The tokens that the picture became, N = rows × columns. */
  readonly grid: TokenGrid;
  /** The K tokens with the highest scores, ascending; of equal scores the first. */
  readonly indices: Int32Array;
};

export interface EncodeOptions<Output extends keyof VisionOutputs> {
  /** K: how many tokens are kept, 1 to N. */
  kept: number;
  /** What is brought from the server beside the indices; nothing else leaves it. */
  outputs: readonly Output[];
  /** α of the running average over layers, 0 to below 1. Default 0.95, as in the paper. */
  momentum?: number;
  /** The layer that tokens are taken from, −1 the last and so on, down to −`layers`. Default −1. */
  selectLayer?: number;
  /** Tokens along each side, from 1 to those of the encoder's grid: a smaller one encodes a smaller picture, which is downsampling. */
  side?: number;
  signal?: AbortSignal;
}

/** Turns pictures into visual tokens, as a language model reads them, and says which of them tell most: EvoCut. */
export interface VisionEncoder {
  /** Its logical name, under which its weights are pulled. */
  readonly name: string;
  /** Names weights and preprocessing: tokens and scores of another version are not comparable. */
  readonly version: string;
  /** Tokens of a picture. */
  readonly grid: TokenGrid;
  /** Numbers of a token. */
  readonly width: number;
  /** How many layers `selectLayer` may name. */
  readonly layers: number;
  /** What it can be asked for: an encoder whose graph does not show its attention has neither `classAttention` nor `attentionKeys`. */
  readonly outputs: readonly (keyof VisionOutputs)[];
  /**
   * What was asked for of each picture, in their order.
   *
   * @param pictures bytes of picture files: JPEG, PNG, WebP, GIF, TIFF or AVIF.
   * @throws RangeError that names the option which is out of range.
   * @throws ModelNotReady while weights or server are absent, or the server's queue is full.
   * @throws PictureRefused when an input is no picture we take.
   */
  encode<Output extends keyof VisionOutputs = never>(pictures: readonly Uint8Array[], options: EncodeOptions<Output>): Promise<EncodedPicture<Output>[]>;
}
