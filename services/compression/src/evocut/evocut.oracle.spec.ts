import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { evolutionScores, type EvocutParameters, keptTokens } from './evocut.ts';

interface Fixture {
  readonly name: string;
  readonly parameters: EvocutParameters;
  readonly layers: number;
  readonly tokens: number;
  readonly width: number;
  readonly states: string;
  readonly scores: readonly number[];
  readonly kept: Readonly<Record<string, readonly number[]>>;
}

/** Written by oracle/evocut.py, which shares no line with evocut.ts. */
const fixtures: Fixture[] = JSON.parse(readFileSync(new URL('../../oracle/fixtures.json', import.meta.url), 'utf8'));

describe.each(fixtures)('$name', ({ parameters, layers, tokens, width, states, scores, kept }) => {
  const bytes = new Uint8Array(Buffer.from(states, 'base64'));
  const all = Array.from({ length: layers }, (_, layer) => new Float32Array(bytes.buffer, layer * tokens * width * 4, tokens * width));
  const own = evolutionScores({ layers: all, tokens, width }, parameters);

  it('scores as numpy does', () => own.forEach((score, token) => expect(score).toBeCloseTo(scores[token], 8)));

  it.each(Object.entries(kept))('keeps the same %s tokens', (count, expected) => expect([...keptTokens(own, Number(count))]).toEqual(expected));
});
