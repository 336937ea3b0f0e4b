export { connectModels } from './connect-models.ts';
export type { ModelReadiness, Models, ModelsOptions } from './connect-models.ts';
export type { EmbeddingModel, TextEmbeddingModel } from './embedding-model.ts';
export { ModelNotReady, PictureRefused } from './models.errors.ts';
export { modelRepositoryFolder, readManifest, versionOf } from './manifest.ts';
export type { ModelEntry, Overlay, WeightFile, WeightSource } from './manifest.ts';
export type { PictureLimits } from './picture-processes.ts';
export { TextTokenizer } from './tokenizer.ts';
