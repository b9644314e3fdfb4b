// What other people's work is in the executable, and under which licences.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../compile.mjs';

/** In the WebAssembly of the packet core is some of AssemblyScript's library; koffi's native half is built from koffi. */
const COMPILED_IN = ['assemblyscript', 'koffi'];
const LICENCE_FILE = /^(licen[cs]e|copying|notice)/i;
const RULE = '='.repeat(100);

const withoutScheme = url => url?.replace(/^git\+/, '').replace(/\.git$/, '');

/** The npm package in `folder`. Throws when it does not say under which licence it is. */
function readComponent(folder) {
  const { name, version, license, description, repository } = JSON.parse(
    readFileSync(join(root, folder, 'package.json'), 'utf8'),
  );
  const files = readdirSync(join(root, folder)).filter(file => LICENCE_FILE.test(file));
  if (typeof license !== 'string' || files.length === 0)
    throw new Error(`${name} ${version} does not say under which licence it is`);
  const texts = files.sort().map(file => readFileSync(join(root, folder, file), 'utf8').trimEnd());
  return {
    name,
    version,
    licence: license,
    description,
    source: withoutScheme(typeof repository === 'string' ? repository : repository?.url),
    text: texts.join('\n\n'),
  };
}

/** The packages that `inputs` (files of the bundles) belong to, and those `besides`, in the order of their names. */
export function packagesIn(inputs, besides = COMPILED_IN) {
  const folders = new Set(besides.map(name => `node_modules/${name}`));
  for (const input of inputs) {
    const folder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];
    if (folder !== undefined) folders.add(folder);
  }
  const components = [...folders].map(readComponent);
  return components.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** One text with the licences of all packages and, in an executable, of Node, which in turn names those of what is in it. */
export function licenceNotices(packages, node) {
  const sections = packages.map(({ name, version, licence, text }) => [
    `${name} ${version} (${licence})`,
    text,
  ]);
  if (node !== undefined) sections.push([`Node.js ${node.version}`, node.licence.toString('utf8').trimEnd()]);
  const what = node === undefined ? 'It' : 'Its executable';
  const head = `vpnr is under the Apache License 2.0: see LICENSE. ${what} contains:\n\n${sections
    .map(([title]) => `  ${title}`)
    .join('\n')}\n`;
  return `${[head, ...sections.map(([title, text]) => `${RULE}\n${title}\n\n${text}\n`)].join('\n')}`;
}
