import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Locked {
  optionalDependencies?: Record<string, string>;
}

const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as { packages: Record<string, Locked> };

/** Where Node looks for a package from a place in the tree, nearest first. */
function placesOf(name: string, from: string): string[] {
  const here = `${from === '' ? '' : `${from}/`}node_modules/${name}`;
  return from === '' ? [here] : [here, ...placesOf(name, from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))))];
}

// A registry that lacks some of them makes npm install leave them out, and npm ci then refuses the lockfile everywhere.
it('locks the binaries of every platform: else pin the version before, for which the registry has them all', () => {
  const missing = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => !placesOf(name, place).some((candidate) => packages[candidate]))
      .map(([name, version]) => `${name}@${version} of ${place}`));
  expect(missing).toEqual([]);
});
