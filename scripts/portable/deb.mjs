// A package for Debian and what comes from it: deb(5).
import { createHash } from 'node:crypto';
import { writeTar } from './tar.mjs';

const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' };
/** What Node's executable is linked with, at the least version that it takes. */
const DEPENDS = 'libc6 (>= 2.28), libstdc++6 (>= 5.2), libgcc-s1 | libgcc1, iproute2';

/** There is no mailbox; the domain is one that can have none (RFC 2606). */
const MAINTAINER = 'The authors of vpnr <authors@vpnr.invalid>';

/** https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ */
export const COPYRIGHT = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: vpnr
Comment: /usr/bin/vpnr contains work of others: NOTICES beside this file has their licences.

Files: *
Copyright: The authors of vpnr
License: Apache-2.0
 See LICENSE beside this file, or /usr/share/common-licenses/Apache-2.0.
`;

/** What runs is stopped before its program goes, but not when another release takes its place. */
const BEFORE_REMOVAL = `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl stop 'vpnr@*.service' 'vpnr-relay@*.service' 'vpnr-gateway@*.service' || true
fi
`;

const RELOAD = `#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
`;

/** An archive in the format of ar(5), of the common kind. */
function writeAr(members, mtime) {
  const parts = [Buffer.from('!<arch>\n')];
  for (const [name, content] of members) {
    const fields = [
      name.padEnd(16),
      `${mtime}`.padEnd(12),
      '0'.padEnd(6),
      '0'.padEnd(6),
      '100644'.padEnd(8),
      `${content.length}`.padEnd(10),
      '`\n',
    ];
    parts.push(Buffer.from(fields.join('')), content, Buffer.alloc(content.length % 2, '\n'));
  }
  return Buffer.concat(parts);
}

function control({ name, version, description }, arch, entries) {
  const kibibytes = entries.reduce((sum, { content }) => sum + Math.ceil((content?.length ?? 0) / 1024), 0);
  return [
    `Package: ${name}`,
    `Version: ${version}`,
    `Architecture: ${ARCHITECTURES[arch]}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${kibibytes}`,
    `Depends: ${DEPENDS}`,
    'Suggests: nftables, systemd-resolved',
    'Section: net',
    'Priority: optional',
    `Description: ${description}`,
    '',
  ].join('\n');
}

export const debName = ({ name, version }, arch) => `${name}_${version}_${ARCHITECTURES[arch]}.deb`;

/** `entries`: what it installs, as for writeTar, without folders; `compress`: bytes to a promise of their gzip form. */
export async function writeDeb(description, arch, entries, mtime, compress) {
  const sums = entries
    .filter(({ content }) => content !== undefined)
    .map(({ path, content }) => `${createHash('md5').update(content).digest('hex')}  ${path}\n`);
  const text = (path, content, mode = 0o644) => ({ path: `./${path}`, mode, content: Buffer.from(content) });
  const controlTar = writeTar(
    [
      text('control', control(description, arch, entries)),
      text('md5sums', sums.join('')),
      text('postinst', RELOAD, 0o755),
      text('prerm', BEFORE_REMOVAL, 0o755),
      text('postrm', RELOAD, 0o755),
    ],
    mtime,
  );
  const installed = entries.map(entry => ({ ...entry, path: `./${entry.path}` }));
  const dataTar = writeTar(installed, mtime);
  const [controlGz, dataGz] = await Promise.all([compress(controlTar), compress(dataTar)]);
  return writeAr(
    [
      ['debian-binary', Buffer.from('2.0\n')],
      ['control.tar.gz', controlGz],
      ['data.tar.gz', dataGz],
    ],
    mtime,
  );
}
