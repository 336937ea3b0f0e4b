import { wrongMediaType } from './blob.errors.ts';

export const defaultMediaType = 'application/octet-stream';

const form = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/;

/** The media type that a `Content-Type` names, without parameters. @throws Problem unsupported-media-type */
export function mediaTypeOf(contentType: string | undefined): string {
  if (contentType === undefined) return defaultMediaType;
  const type = contentType.split(';', 1)[0].trim().toLowerCase();
  if (type.length > 127 || !form.test(type)) throw wrongMediaType(contentType);
  return type;
}
