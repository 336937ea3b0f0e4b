import { type Kind, kinds as allKinds } from '../index/vector-index.ts';
import type { OtherVersion } from './versions.ts';

/** A vector space in which the items of a collection are found. */
export interface Space {
  readonly name: string;
  readonly dimension: number;
  readonly modelVersion: string;
  /** What of an item has a vector in it, in the order of `kinds`. */
  readonly kinds: readonly Kind[];
  /** Whether one of the platform's joint models embeds into it. A collection of before there was one has no such mark. */
  readonly isJoint?: boolean;
  /** Versions of the model beside the active one, which the fields above are about; absent when there was never one. */
  readonly others?: readonly OtherVersion[];
}

/** A space as its maker wants it. */
export interface WantedSpace {
  readonly name: string;
  readonly dimension?: number;
  readonly modelVersion?: string;
  /** All when empty. */
  readonly kinds: readonly string[];
}

/** A model of the platform's, which a space is named after. */
export interface SpaceModel {
  readonly dimension: number;
  readonly version: string;
}

/** A model of texts, pictures and notes in one space. */
export interface JointSpaceModel extends SpaceModel {
  readonly name: string;
  /** Whether its weights can be had: the manifest says which bytes they are. */
  readonly isPinned: boolean;
}

/** Models after which spaces are named. */
export interface SpaceModels {
  readonly text: SpaceModel;
  readonly image: SpaceModel;
  /** The first that is pinned is that of new collections. */
  readonly joints: readonly JointSpaceModel[];
}

/** Spaces of the platform's models: what of an item each embeds. One named `joint` may be the caller's own, too. */
const embedded = new Map<string, readonly Kind[]>([
  ['text', ['text', 'ocr', 'note']],
  ['image', ['image']],
  ['joint', allKinds],
]);

/** Whether the caller brings the vectors of a space. */
export const isOwnSpace = ({ name, isJoint = false }: Pick<Space, 'name' | 'isJoint'>): boolean => (name === 'joint' ? !isJoint : !embedded.has(name));

/** What is wrong with the spaces of a new collection. */
export class SpacesRefused extends Error {
  constructor(
    readonly pointer: string,
    message: string,
  ) {
    super(message);
  }
}

/**
 * The spaces of a new collection: those of the models first, `text` before `image` before `joint`; the first two when none is
 * wanted. One named `joint` with neither dimension nor version is of the platform's joint model.
 *
 * @throws SpacesRefused with a pointer into `wanted`, such as `/1/dimension`.
 */
export function spacesOf(wanted: readonly WantedSpace[], models: SpaceModels): Space[] {
  if (wanted.length === 0) return spacesOf([{ name: 'text', kinds: [] }, { name: 'image', kinds: [] }], models);
  const spaces = wanted.map(({ name, dimension, modelVersion, kinds }, index): Space => {
    const refuse = (field: string, detail: string) => new SpacesRefused(`/${index}/${field}`, detail);
    if (wanted.findIndex((other) => other.name === name) !== index) throw refuse('name', 'comes twice');
    if (name === 'text' || name === 'image') {
      const given = dimension !== undefined ? 'dimension' : modelVersion !== undefined ? 'modelVersion' : kinds.length > 0 ? 'kinds' : undefined;
      if (given) throw refuse(given, `follows from the model of the space ${name}; only its name is given`);
      const { dimension: numbers, version } = models[name];
      return { name, dimension: numbers, modelVersion: version, kinds: embedded.get(name)! };
    }
    if (name === 'joint' && dimension === undefined && modelVersion === undefined) {
      const model = models.joints.find(({ isPinned }) => isPinned);
      if (!model) throw refuse('name', withoutJointModel(models.joints));
      if (kinds.length > 0) throw refuse('kinds', 'follows from the joint model; for other kinds make a space of your own, with dimension and modelVersion');
      return { name, dimension: model.dimension, modelVersion: model.version, kinds: allKinds, isJoint: true };
    }
    if (dimension === undefined) throw refuse('dimension', 'a space of your own needs its dimension');
    if (modelVersion === undefined) throw refuse('modelVersion', 'a space of your own needs the version of the model that makes its vectors');
    return { name, dimension, modelVersion, kinds: kinds.length === 0 ? allKinds : allKinds.filter((kind) => kinds.includes(kind)) };
  });
  const place = (space: Space) => (isOwnSpace(space) ? embedded.size : [...embedded.keys()].indexOf(space.name));
  return spaces.sort((a, b) => place(a) - place(b) || (a.name < b.name ? -1 : 1));
}

/** Whether a collection with these spaces is what is wanted. A model of the platform's may have changed since. */
export function areSameSpaces(present: readonly Space[], wanted: readonly Space[]): boolean {
  const name = (space: Space) => (isOwnSpace(space) ? `${space.name} ${space.dimension} ${space.kinds.join()} ${space.modelVersion}` : space.name);
  return present.map(name).join('\n') === wanted.map(name).join('\n');
}

function withoutJointModel(joints: readonly JointSpaceModel[]): string {
  const remedy = joints.length === 0 ? 'the manifest has none' : `touchstone models pull ${joints.map(({ name }) => name).join(' or ')} says how to pin and bring one`;
  return `no joint model embeds here: ${remedy}; a space of your own needs its dimension and modelVersion`;
}
