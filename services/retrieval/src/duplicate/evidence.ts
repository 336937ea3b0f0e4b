import type { Evidence } from './duplicate.entity.ts';

/** Hashes that differ in more bits are of different pictures, and those of this quality and less say nothing: Meta's thresholds. */
export const copyDistance = 31;
export const leastQuality = 49;

/** What a scan found out about two items; `a` is the one whose id comes first. */
export interface FoundEvidence {
  readonly a: string;
  readonly b: string;
  readonly evidence: Evidence;
}

/** Puts the item whose id comes first first. @param make from the parts of the first and of the other one. */
export function evidenceOf(one: { id: string; part: number }, other: { id: string; part: number }, make: (parts: [number, number]) => Evidence): FoundEvidence {
  const [a, b] = one.id < other.id ? [one, other] : [other, one];
  return { a: a.id, b: b.id, evidence: make([a.part, b.part]) };
}

/** 3 for equal content, from 2 to 3 for pictures, else the cosine: what was found first counts most. */
export function strengthOf(evidence: Evidence): number {
  if (evidence.of === 'content') return 3;
  if (evidence.of === 'vector') return evidence.cosine;
  const distance = evidence.isSameFile ? 0 : (evidence.distance ?? copyDistance);
  return 2 + (copyDistance - distance) / (copyDistance + 1);
}
