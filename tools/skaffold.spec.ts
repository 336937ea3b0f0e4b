import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const root = new URL('../', import.meta.url);
const read = (file: string) => parse(readFileSync(new URL(file, root), 'utf8'));

const file = z.string().refine((path) => existsSync(new URL(path, root)), 'there is no such file');
const image = z.literal('touchstone');

/** The part of skaffold/v4beta11 that we use. There is no skaffold to ask, so an unknown field is a typing error. */
const skaffold = z.strictObject({
  apiVersion: z.literal('skaffold/v4beta11'),
  kind: z.literal('Config'),
  metadata: z.strictObject({ name: z.string() }),
  build: z.strictObject({ artifacts: z.tuple([z.strictObject({ image, docker: z.strictObject({ dockerfile: file }) })]) }),
  deploy: z.strictObject({
    helm: z.strictObject({
      releases: z.tuple([
        z.strictObject({
          name: z.literal('touchstone'),
          chartPath: file,
          setValueTemplates: z.record(z.string(), z.string().regex(/^\{\{\.IMAGE_(REPO|TAG)_touchstone\}\}$/)),
        }),
      ]),
    }),
  }),
  portForward: z.array(z.strictObject({ resourceType: z.literal('service'), resourceName: z.string(), port: z.int(), localPort: z.int() })),
});

it('is what skaffold reads', () => expect(skaffold.safeParse(read('skaffold.yaml')).error?.issues).toBeUndefined());

it('sets values that the chart has', () => {
  const { releases } = read('skaffold.yaml').deploy.helm;
  const values = read('charts/touchstone/values.yaml');
  for (const path of Object.keys(releases[0].setValueTemplates)) {
    expect(path.split('.').reduce((value, key) => value?.[key], values), path).toBeTypeOf('string');
  }
});

it.each([
  ['a field that skaffold does not know', { deployed: {} }],
  ['a file that is not there', { build: { artifacts: [{ image: 'touchstone', docker: { dockerfile: 'Containerfile' } }] } }],
])('refuses %s', (_, change) => expect(skaffold.safeParse({ ...read('skaffold.yaml'), ...change }).success).toBe(false));
