import { Problem, Reason, type Violation } from '@touchstone/contracts';

/** A request for embeddings in OpenAI's form, checked. */
export interface EmbeddingsRequest {
  readonly model: string;
  readonly texts: readonly string[];
  readonly encoding: 'float' | 'base64';
  readonly dimensions?: number;
}

const maximumTexts = 256;
const maximumCharacters = 20_000;
const known = new Set(['model', 'input', 'encoding_format', 'dimensions', 'user']);

/** @throws Problem invalid-request that names every part that is wrong. */
export function readEmbeddingsRequest(body: unknown): EmbeddingsRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid([{ pointer: '', detail: 'expected a JSON object' }]);
  const { model, input, encoding_format: encoding = 'float', dimensions, user } = body as Record<string, unknown>;
  const texts = typeof input === 'string' ? [input] : input;
  const violations = [
    ...Object.keys(body).filter((name) => !known.has(name)).map((name) => wrong(`/${name}`, `${name.slice(0, 100)} is not known here`)),
    ...(typeof model === 'string' && model !== '' && model.length <= 200 ? [] : [wrong('/model', 'expected the name of a model')]),
    ...(encoding === 'float' || encoding === 'base64' ? [] : [wrong('/encoding_format', 'expected float or base64')]),
    ...(dimensions === undefined || isDimension(dimensions) ? [] : [wrong('/dimensions', 'expected a whole number')]),
    ...(user === undefined || typeof user === 'string' ? [] : [wrong('/user', 'expected a string')]),
    ...wrongTexts(texts),
  ];
  if (violations.length > 0) throw invalid(violations);
  return { model: model as string, texts: texts as string[], encoding: encoding as EmbeddingsRequest['encoding'], ...(dimensions === undefined ? {} : { dimensions: dimensions as number }) };
}

function wrongTexts(texts: unknown): Violation[] {
  if (!Array.isArray(texts) || texts.length === 0 || texts.length > maximumTexts) return [wrong('/input', `expected a string or 1 to ${maximumTexts} of them`)];
  return texts.flatMap((text: unknown, index) => {
    if (typeof text !== 'string') return [wrong(`/input/${index}`, 'expected a string; tokens are not taken')];
    return text !== '' && text.length <= maximumCharacters && text.isWellFormed() ? [] : [wrong(`/input/${index}`, `expected 1 to ${maximumCharacters} characters`)];
  }).slice(0, 20);
}

const isDimension = (value: unknown) => Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31;
const wrong = (pointer: string, detail: string): Violation => ({ pointer, detail });
const invalid = (violations: readonly Violation[]) =>
  new Problem({ reason: Reason.INVALID_REQUEST, detail: 'The request is not one for embeddings.', violations: violations.slice(0, 20) });
