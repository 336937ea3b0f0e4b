import type { EmbeddingModel, JointEmbeddingModel, NoteInput } from './embedding-model.ts';
import { PictureRefused } from './models.errors.ts';
import { noteVector } from './note-vector.ts';

/** A model of texts and one of pictures that were trained into one space, such as CLIP (arXiv:2103.00020) or SigLIP (arXiv:2303.15343). */
export class JointPair implements JointEmbeddingModel {
  readonly version: string;
  readonly dimension: number;
  readonly prefixes: readonly number[];

  constructor(
    readonly name: string,
    private readonly text: EmbeddingModel<string>,
    private readonly image: EmbeddingModel<Uint8Array>,
    readonly isPinned: boolean,
  ) {
    if (text.dimension !== image.dimension) throw new Error(`${text.name} has ${text.dimension} dimensions and ${image.name} ${image.dimension}: they share no space`);
    this.version = `${text.version}+${image.version}`;
    this.dimension = text.dimension;
    this.prefixes = text.prefixes.filter((length) => image.prefixes.includes(length));
  }

  /** What comes twice in a call, a picture by itself and in its note, is embedded once. Pictures first: they may be refused. */
  async embed(inputs: readonly NoteInput[], options?: { signal?: AbortSignal }): Promise<Float32Array[]> {
    const all = inputs.flatMap(({ pictures }) => pictures);
    const files = [...new Set(all)];
    const texts = [...new Set(inputs.flatMap(({ text }) => (text === '' ? [] : [text])))];
    const ofFiles = files.length === 0 ? [] : await this.image.embed(files, options).catch((error: unknown) => {
      throw error instanceof PictureRefused ? new PictureRefused(all.indexOf(files[error.index]), error.detail) : error;
    });
    const ofTexts = texts.length === 0 ? [] : await this.text.embed(texts, options);
    const ofText = new Map(texts.map((text, at) => [text, ofTexts[at]]));
    const ofFile = new Map(files.map((file, at) => [file, ofFiles[at]]));
    return inputs.map(({ text, pictures }) => noteVector(ofText.get(text), pictures.map((file) => ofFile.get(file)!)));
  }
}
