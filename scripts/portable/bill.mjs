// The bill of materials: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../compile.mjs';

const sha256 = bytes => createHash('sha256').update(bytes).digest('hex');

/** Of Node's `process.versions`, what is no library but a number of an interface or data. */
const NO_LIBRARIES = new Set(['node', 'modules', 'napi', 'unicode', 'tz', 'cldr']);

/** A UUID that is always the same for the same text (RFC 9562 section 5.8). */
function uuidOf(text) {
  const digits = sha256(text).slice(0, 32).split('');
  digits[12] = '8';
  digits[16] = '89ab'[Number.parseInt(digits[16], 16) & 3];
  return digits.join('').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** `licence`: an SPDX identifier. */
const licences = licence => [{ license: { id: licence } }];
const npmAddress = (name, version) => `pkg:npm/${name.replace('@', '%40')}@${version}`;

function packageComponent({ name, version, licence, description, source }, integrity) {
  const address = npmAddress(name, version);
  const [scope, short] = name.startsWith('@') ? name.split('/') : [undefined, name];
  return {
    type: 'library',
    'bom-ref': address,
    ...(scope !== undefined && { group: scope }),
    name: short,
    version,
    ...(description !== undefined && { description }),
    ...(integrity !== undefined && {
      hashes: [
        { alg: 'SHA-512', content: Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex') },
      ],
    }),
    licenses: licences(licence),
    purl: address,
    ...(source?.startsWith('https:') && { externalReferences: [{ type: 'vcs', url: source }] }),
  };
}

/** Node, and below it what it is made of. `versions`: its process.versions. */
function nodeComponent(arch, { version, executable }, versions) {
  const address = npmAddress(`node-linux-${arch}`, version);
  return {
    type: 'platform',
    'bom-ref': address,
    name: 'node',
    version,
    hashes: [{ alg: 'SHA-256', content: sha256(executable) }],
    licenses: licences('MIT'),
    purl: address,
    components: Object.entries(versions)
      .filter(([name]) => !NO_LIBRARIES.has(name))
      .sort()
      .map(([name, number]) => ({
        type: 'library',
        'bom-ref': `pkg:generic/${name}@${number}`,
        name,
        version: number,
        purl: `pkg:generic/${name}@${encodeURIComponent(number)}`,
      })),
  };
}

/**
 * As JSON text. `packages`: of licences.mjs; `node`: of `arch`; `versions`: its process.versions; `state`: the source's;
 * `date`: of the build.
 */
export function billOfMaterials({ arch, description, packages, node, versions, executable, state, date }) {
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const { name, version, license } = description;
  const own = npmAddress(name, version);
  const components = [
    nodeComponent(arch, node, versions),
    ...packages.map(one => packageComponent(one, locked[`node_modules/${one.name}`]?.integrity)),
  ];
  const refs = new Map(packages.map(one => [one.name, npmAddress(one.name, one.version)]));
  const dependsOn = folder =>
    Object.keys({ ...locked[folder]?.dependencies, ...locked[folder]?.optionalDependencies })
      .filter(dependency => refs.has(dependency))
      .sort()
      .map(dependency => refs.get(dependency));
  const bill = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(`${own} ${arch} ${sha256(executable)}`)}`,
    version: 1,
    metadata: {
      timestamp: date.toISOString().replace('.000Z', 'Z'),
      component: {
        type: 'application',
        'bom-ref': own,
        name,
        version,
        description: description.description,
        hashes: [{ alg: 'SHA-256', content: sha256(executable) }],
        licenses: licences(license),
        purl: own,
        properties: [
          { name: 'vpnr:platform', value: `linux-${arch}` },
          ...(state.commit === null ? [] : [{ name: 'vpnr:commit', value: state.commit }]),
        ],
      },
    },
    components,
    dependencies: [
      { ref: own, dependsOn: [components[0]['bom-ref'], ...dependsOn(''), ...extra(refs)].sort() },
      ...packages.map(one => ({ ref: refs.get(one.name), dependsOn: dependsOn(`node_modules/${one.name}`) })),
    ],
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

/** What the product contains though package.json has it as a tool. */
const extra = refs => [refs.get('assemblyscript')];
