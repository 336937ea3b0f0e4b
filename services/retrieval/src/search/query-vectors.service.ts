import { Injectable } from '@nestjs/common';
import { isOwnSpace, type Space } from '../collection/spaces.ts';
import type { Kind } from '../index/vector-index.ts';
import { indexKey } from '../collection/versions.ts';
import { ItemEmbedding } from '../item/item-embedding.service.ts';
import { joinedText } from '../item/item-parts.ts';
import type { CollectionView } from './collection-views.service.ts';
import { preferredVector } from './preferred-vector.ts';
import { emptyNote, noDirection, noJointSpace, partNotFound, queryItemNotFound, wrongDimension } from './search.errors.ts';
import type { ExampleQuery, NoteSource, SearchQuery, Source } from './search-query.ts';
import { searchedSpaces, type Wanted } from './searched-spaces.ts';
import { tasks } from './tasks.ts';

/** Vectors to look for in one space; an item is as similar as its best pair of parts. */
export interface SpaceQuery {
  readonly space: Space;
  /** At least one, of length 1. */
  readonly vectors: readonly Float32Array[];
}

/** Makes vectors of queries: embeds what is new, and takes those of items from the index. */
@Injectable()
export class QueryVectors {
  constructor(private readonly embedding: ItemEmbedding) {}

  /**
   * The vectors of a query in every space where it has some, at least one.
   *
   * @param asked the collection's spaces, each in the version that is searched.
   * @throws Problem as `searchedSpaces`; item-not-found, part-not-found, wrong-dimension, picture-refused, model-not-ready.
   */
  async of(view: CollectionView, asked: readonly Space[], wanted: Wanted, signal: AbortSignal): Promise<SpaceQuery[]> {
    const { query } = wanted;
    const spaces = searchedSpaces(asked, wanted);
    const vectors: SpaceQuery[] = [];
    for (const space of spaces) {
      const inSpace = query.kind === 'examples' ? await this.ofExamples(view, space, query, wanted, signal) : await this.ofSource(view, space, query, wanted, signal);
      if (inSpace.length > 0) vectors.push({ space, vectors: inSpace });
    }
    if (vectors.length === 0) throw withoutVectors(query, wanted, spaces);
    return vectors;
  }

  /** One vector, or none where an example has none. */
  private async ofExamples(view: CollectionView, space: Space, query: ExampleQuery, wanted: Wanted, signal: AbortSignal): Promise<Float32Array[]> {
    const means = async (examples: readonly Source[]) => {
      const found: Float32Array[] = [];
      for (const example of examples) {
        const vectors = await this.ofSource(view, space, example, wanted, signal);
        if (vectors.length === 0) return undefined;
        const mean = preferredVector(vectors, []);
        if (!mean) throw noDirection(example.pointer, 'its parts cancel each other out');
        found.push(mean);
      }
      return found;
    };
    const positive = await means(query.positive);
    const negative = positive && (await means(query.negative));
    if (!positive || !negative) return [];
    const preferred = preferredVector(positive, negative);
    if (!preferred) throw noDirection(query.pointer, 'the examples cancel each other out');
    return [preferred];
  }

  private async ofSource(view: CollectionView, space: Space, source: Source, { task, dimensions }: Wanted, signal: AbortSignal): Promise<readonly Float32Array[]> {
    switch (source.kind) {
      case 'item':
        return vectorsOfItem(view, space, source.id, source.pointer, task && tasks[task].query);
      case 'text':
      case 'ocr':
        return embeds(space, source.kind) ? this.embedding.embed(space, [{ text: source.text, pictures: [] }], signal) : [];
      case 'image': {
        const picture = { file: source.image.file, pointer: `${source.pointer}/${source.image.source}` };
        return embeds(space, 'image') ? this.embedding.embed(space, [{ text: '', pictures: [picture] }], signal) : [];
      }
      case 'note':
        return this.ofNote(space, source, signal);
      case 'vector':
        return [directionOf(source.vector, space, source.pointer, dimensions)];
    }
  }

  /** One vector of the whole where the space has notes, of its pictures too in a joint one; otherwise one of each picture. */
  private async ofNote(space: Space, { title, body, images, pointer }: NoteSource, signal: AbortSignal): Promise<readonly Float32Array[]> {
    const text = joinedText([title, body, ...images.map(({ ocrText }) => ocrText)]);
    if (text === '' && images.length === 0) throw emptyNote(pointer);
    const pictures = embeds(space, 'image') ? images.map(({ file, source }, part) => ({ file, pointer: `${pointer}/images/${part}/${source}` })) : [];
    if (!embeds(space, 'note')) return pictures.length === 0 ? [] : this.embedding.embed(space, pictures.map((picture) => ({ text: '', pictures: [picture] })), signal);
    return text === '' && pictures.length === 0 ? [] : this.embedding.embed(space, [{ text, pictures }], signal);
  }
}

const embeds = (space: Space, kind: Kind): boolean => !isOwnSpace(space) && space.kinds.includes(kind);

/** Its vectors of a kind; without one its note's, which stands for the whole item, or else all. */
async function vectorsOfItem({ name, index }: CollectionView, space: Space, id: string, pointer: string, kind: Kind | undefined) {
  if (!(await index.has(id))) throw queryItemNotFound(name, id, pointer);
  const key = indexKey(space);
  if (kind) return index.vectors(id, key, kind);
  const ofNote = await index.vectors(id, key, 'note');
  return ofNote.length > 0 ? ofNote : index.vectors(id, key);
}

/** The vector with length 1. One that is as short as the compared prefix says nothing of the rest. */
function directionOf(values: readonly number[], { dimension }: Space, pointer: string, dimensions = dimension): Float32Array {
  if (values.length !== dimension && values.length !== dimensions) throw wrongDimension(pointer, dimension, values.length);
  const position = values.findIndex((value) => !Number.isFinite(value));
  if (position >= 0) throw noDirection(pointer, `number ${position} is ${values[position]}`);
  const length = Math.hypot(...values);
  if (length === 0 || Math.hypot(...values.slice(0, dimensions)) === 0) throw noDirection(pointer, 'all its numbers are 0');
  const vector = new Float32Array(dimension);
  vector.set(values.map((value) => value / length));
  return vector;
}

function withoutVectors(query: SearchQuery, { task }: Wanted, spaces: readonly Space[]): Error {
  const kind = task && tasks[task].query;
  if (query.kind === 'item') return partNotFound(query.pointer, query.id, kind ?? 'anything', spaces.map(({ name }) => name));
  if (query.kind === 'examples') return noJointSpace(query.pointer, 'a space in which every example has a vector', spaces);
  const model = query.kind === 'image' ? 'image or joint' : query.kind === 'note' ? 'text, image or joint' : 'text or joint';
  const needed = task && spaces.every(isOwnSpace) ? `a model that embeds the query into ${spaces.map(({ name }) => name).join(' or ')}; ask with a vector or an item of it` : `the space ${model} of the platform's models`;
  return noJointSpace(query.pointer, needed, spaces);
}
