// What is given to others: the executable with all that is installed beside it, as an archive and as a Debian package.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { filesBelow, root } from '../compile.mjs';
import { COPYRIGHT, debName, writeDeb } from './deb.mjs';
import { units } from './systemd.mjs';
import { writeTar } from './tar.mjs';

const compress = promisify(gzip);

/** Files below a prefix like /usr: their paths and contents, and which of them are programs. */
function installedFiles({ executable, help, notices, bill, services }, zshFolder) {
  const own = path => [`share/doc/vpnr/${path}`, readFileSync(join(root, path))];
  const files = {
    'bin/vpnr': executable,
    'share/man/man1/vpnr.1': help.manual,
    'share/bash-completion/completions/vpnr': help.bash,
    [`share/zsh/${zshFolder}/_vpnr`]: help.zsh,
    'share/fish/vendor_completions.d/vpnr.fish': help.fish,
    'share/doc/vpnr/NOTICES': notices,
    'share/doc/vpnr/vpnr.cdx.json': bill,
    ...Object.fromEntries(['LICENSE', 'README.md', ...filesBelow('docs', '.md')].map(own)),
    ...Object.fromEntries(
      Object.entries(services).map(([name, text]) => [`lib/systemd/system/${name}`, text]),
    ),
  };
  return Object.entries(files).map(([path, content]) => ({
    path,
    mode: path.startsWith('bin/') ? 0o755 : 0o644,
    content: Buffer.from(content),
  }));
}

/** With the folders that lead to each entry, in the order of paths. */
function withFolders(entries) {
  const all = new Map(entries.map(entry => [entry.path, entry]));
  for (const { path } of entries)
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const folder = path.slice(0, end);
      if (!all.has(folder)) all.set(folder, { path: folder, mode: 0o755 });
    }
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

const below = (prefix, entries) => entries.map(entry => ({ ...entry, path: `${prefix}/${entry.path}` }));

/** The archive and the package, by their file names. `parts`: what is in them; `mtime`: seconds since 1970. */
export async function makeArchives(description, arch, parts, mtime) {
  const folder = `${description.name}-${description.version}-linux-${arch}`;
  const contents = { ...parts, services: await units() };
  const archive = withFolders(below(folder, installedFiles(contents, 'site-functions')));
  const usr = below('usr', installedFiles(contents, 'vendor-completions'));
  // Configurations name secrets, or lie beside them.
  const configurations = { path: 'etc/vpnr', mode: 0o700 };
  const copyright = { path: 'usr/share/doc/vpnr/copyright', mode: 0o644, content: Buffer.from(COPYRIGHT) };
  const packaged = withFolders([...usr, copyright, configurations]);
  const [tarGz, deb] = await Promise.all([
    compress(writeTar(archive, mtime)),
    writeDeb(description, arch, packaged, mtime, compress),
  ]);
  return { [`${folder}.tar.gz`]: tarGz, [debName(description, arch)]: deb };
}
