export { type BlobFile, BlobFiles, BLOBS, type NewBlob } from './blob-files.service.ts';
export { foreignContent } from './foreign-content.ts';
export { modelProblem, pictureIsMore } from './picture.errors.ts';
export { type Picture, type PictureInput, Pictures, type PictureSource } from './pictures.service.ts';
