/**
 * /etc/resolv.conf where nobody else looks after it. The file of before is kept beside it, and the first line of ours says
 * whose it is and what it contains: so it is put back after a crash or a restart of the machine too, but never in the place of
 * what somebody has written since.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { VpnrError } from '../errors.js';
import { type NameServers, RESOLV_CONF } from './name-servers.js';

/** Where the file of before is while `owner` has put its own in its place. */
export function resolvConfBefore(owner: string, path = RESOLV_CONF): string {
  return `${path}.before-vpnr-${owner}`;
}

/** Whether the file is as `owner` has written it. */
export function isResolvConfOf(owner: string, path = RESOLV_CONF): boolean {
  const text = read(path);
  return text.startsWith(`# vpnr ${owner} `) && text === withHead(owner, text.slice(text.indexOf('\n') + 1));
}

/**
 * Writes the file, all of it or nothing. False when `owner` has written it before, and somebody else since: then it is left
 * alone. Throws SYSTEM_CALL.
 */
export function setResolvConf(owner: string, servers: NameServers, path = RESOLV_CONF): boolean {
  const before = resolvConfBefore(owner, path);
  const isOurs = isResolvConfOf(owner, path);
  if (!isOurs && isThere(before)) return false;
  return reporting(path, () => {
    const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
    try {
      if (!isOurs) keep(path, before);
      const text = withHead(owner, contentOf(servers, read(before)));
      writeFileSync(temporary, text, { mode: 0o644, flag: 'wx' });
      replace(temporary, path);
      return true;
    } catch (error) {
      rmSync(temporary, { force: true });
      if (!isOurs) rmSync(before, { force: true });
      throw error;
    }
  });
}

/** Puts the file of before back, unless somebody has changed the one that `owner` wrote. Throws SYSTEM_CALL. */
export function putBackResolvConf(owner: string, path = RESOLV_CONF): void {
  const before = resolvConfBefore(owner, path);
  if (!isThere(before)) return;
  reporting(path, () => {
    if (isResolvConfOf(owner, path)) replace(before, path);
    else rmSync(before);
  });
}

/** The options stay as they are. */
function contentOf({ servers, search }: NameServers, before: string): string {
  const lines = [
    ...(search.length === 0 ? [] : [`search ${search.join(' ')}`]),
    ...servers.map(server => `nameserver ${server}`),
    ...before.split('\n').filter(line => /^\s*options\s/.test(line)),
  ];
  return lines.map(line => `${line}\n`).join('');
}

function withHead(owner: string, content: string): string {
  const digest = createHash('sha256').update(content).digest('hex').slice(0, 16);
  return `# vpnr ${owner} ${digest}: puts back what was here when it ends\n${content}`;
}

/** A second name for the file, or a second link where it is one: renaming that back is all it takes. */
function keep(path: string, before: string): void {
  if (!isThere(path)) writeFileSync(before, '', { mode: 0o644 });
  else if (lstatSync(path).isSymbolicLink()) symlinkSync(readlinkSync(path), before);
  else {
    try {
      linkSync(path, before);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      copyFileSync(path, before);
    }
  }
}

/** In containers the file is a mount of its own, and can only be written over. */
function replace(from: string, path: string): void {
  try {
    renameSync(from, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EBUSY' || code === 'EXDEV') writeOver(path, readFileSync(from));
    rmSync(from, { force: true });
    if (code !== 'EBUSY' && code !== 'EXDEV') throw error;
  }
}

/** Without room for it, the file stays as it was: it keeps its own until the new content is there. */
function writeOver(path: string, content: Uint8Array): void {
  const before = readFileSync(path);
  const fd = openSync(path, 'r+');
  try {
    writeFileSync(fd, content);
    ftruncateSync(fd, content.length);
  } catch (error) {
    writeSync(fd, before, 0, before.length, 0);
    ftruncateSync(fd, before.length);
    throw error;
  } finally {
    closeSync(fd);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function reporting<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new VpnrError('SYSTEM_CALL', `${path} cannot be changed: ${(error as Error).message}`, {
      remedy: 'set tunnel.dns: off to leave it alone',
      cause: error,
    });
  }
}
