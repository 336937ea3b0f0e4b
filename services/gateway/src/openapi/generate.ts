// Writes proto/image.binpb and services/gateway/openapi.json; `npm run contracts:generate` calls it.
import { readFileSync, writeFileSync } from 'node:fs';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { imagePath, publicDocument, toText } from './image.ts';

const [built] = process.argv.slice(2);
if (!built) throw new Error('usage: generate.ts <image from buf build>');

const image = fromBinary(FileDescriptorSetSchema, readFileSync(built));
for (const file of image.file) {
  if (!file.name.startsWith('touchstone/')) file.sourceCodeInfo = undefined; // comments of others, four fifths of the file
}
writeFileSync(imagePath, toBinary(FileDescriptorSetSchema, image));
writeFileSync(new URL('../../openapi.json', import.meta.url), toText(publicDocument()));
