export { type BlobFile, BlobFiles, BLOBS, type NewBlob } from './blob-files.service.ts';
export { foreignContent } from './foreign-content.ts';
export { modelProblem, pictureIsMore, pictureMissing } from './picture.errors.ts';
export { type Picture, type PictureInput, type PictureReader, Pictures, type PictureSource } from './pictures.service.ts';
