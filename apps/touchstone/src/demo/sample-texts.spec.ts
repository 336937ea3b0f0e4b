import { expect, it } from 'vitest';
import { nearDuplicates, sampleTexts } from './sample-texts.ts';

const byId = new Map(sampleTexts.map((text) => [text.id, text]));

it('has some hundred texts over some twenty topics, several to each', () => {
  const sizes = Object.values(Object.groupBy(sampleTexts, ({ attributes }) => attributes.topic)).map((texts) => texts!.length);

  expect(sampleTexts.length).toBeGreaterThanOrEqual(240);
  expect(sizes.length).toBeGreaterThanOrEqual(20);
  expect(Math.min(...sizes)).toBeGreaterThanOrEqual(8);
});

it('has ids that the API takes, each once', () => {
  expect(byId.size).toBe(sampleTexts.length);
  for (const { id } of sampleTexts) expect(id).toMatch(/^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$/);
});

it('has one to three sentences and a title in each', () => {
  for (const { id, title, body, attributes } of sampleTexts) {
    expect(attributes.kind, id).toBe('text');
    expect(title.length, id).toBeGreaterThanOrEqual(5);
    expect(title.length, id).toBeLessThanOrEqual(60);
    expect(body.length, id).toBeGreaterThanOrEqual(80);
    expect(body.length, id).toBeLessThanOrEqual(300);
    expect(body, id).toMatch(/[.!?"]$/);
    expect(body.match(/[.!?]"?(\s+(?=[A-Z"0-9])|$)/g)!.length, id).toBeLessThanOrEqual(3);
  }
});

it('says nothing twice in the same words', () => {
  expect(new Set(sampleTexts.map(({ title }) => title)).size).toBe(sampleTexts.length);
  const sentences = sampleTexts.flatMap(({ body }) => body.split(/(?<=[.!?])\s+/));
  expect(new Set(sentences).size).toBe(sentences.length);
});

it('has at least a dozen pairs, each the pair of the other and in the same topic', () => {
  expect(nearDuplicates.length / 2).toBeGreaterThanOrEqual(12);
  for (const { id, attributes } of nearDuplicates) {
    const other = byId.get(attributes.pairOf!);
    expect(other?.attributes).toEqual({ ...attributes, pairOf: id });
  }
});
