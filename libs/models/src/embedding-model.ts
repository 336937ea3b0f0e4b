/** Turns inputs into vectors. Text and pictures have one model each; a vector is comparable only with its model's. */
export interface EmbeddingModel<Input> {
  /** Its logical name, under which its weights are pulled. */
  readonly name: string;
  /** Names weights and preprocessing: vectors of another version are not comparable. */
  readonly version: string;
  /** Length of each vector. */
  readonly dimension: number;
  /** Shorter lengths to which a vector may be cut, each then made of length 1 again; none unless the model was trained for it. */
  readonly prefixes: readonly number[];
  /**
   * One vector for each input, in their order, of length 1 (L2).
   *
   * @throws ModelNotReady while weights or server are absent, or the server's queue is full.
   * @throws PictureRefused (pictures only) when an input is no picture we take.
   */
  embed(inputs: readonly Input[], options?: { signal?: AbortSignal }): Promise<Float32Array[]>;
}

/** A text, a picture, or a note of both: at least one thing. */
export interface NoteInput {
  /** Empty when there is none. */
  readonly text: string;
  /** Files, in the order of the note. */
  readonly pictures: readonly Uint8Array[];
}

/** A model whose texts, pictures and notes share one space. `PictureRefused` counts all pictures of a call, in their order. */
export interface JointEmbeddingModel extends EmbeddingModel<NoteInput> {
  /** Whether the manifest has the digests of its weights; until then they are never loaded, and it cannot embed. */
  readonly isPinned: boolean;
}

/** The model of texts. */
export interface TextEmbeddingModel extends EmbeddingModel<string> {
  /** Tokens that `embed` reads of each text, with those at both ends. @throws ModelNotReady while the tokenizer is absent. */
  countTokens(texts: readonly string[]): Promise<number[]>;
}
