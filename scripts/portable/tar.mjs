// Archives in the format of POSIX.1-1988 (ustar), as far as is needed: regular files, folders and links.
import { gunzipSync } from 'node:zlib';

const BLOCK = 512;
const FILE_TYPES = { file: '0', link: '2', folder: '5' };

/** Where the fields of a header are: offset and size. */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 8],
  user: [265, 32],
  group: [297, 32],
  prefix: [345, 155],
};

const padded = size => Math.ceil(size / BLOCK) * BLOCK;

function text(header, [offset, size]) {
  const field = header.subarray(offset, offset + size);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? size : end);
}

/** An npm package's regular files that `wanted` says yes to, by their paths below its only folder. */
export function readPackage(archive, wanted) {
  const bytes = gunzipSync(archive);
  const files = new Map();
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0; ) {
    const header = bytes.subarray(at, at + BLOCK);
    const size = Number.parseInt(text(header, FIELD.size), 8);
    const prefix = text(header, FIELD.prefix);
    const path = `${prefix === '' ? '' : `${prefix}/`}${text(header, FIELD.name)}`.replace(/^[^/]*\//, '');
    const isFile = ['0', ''].includes(text(header, FIELD.type));
    if (isFile && wanted(path)) files.set(path, bytes.subarray(at + BLOCK, at + BLOCK + size));
    at += BLOCK + padded(size);
  }
  return files;
}

/**
 * An archive of `entries` in their order, all of user and group root and of the time `mtime` (seconds since 1970).
 * An entry has `path`, `mode` and one of `content` (bytes), `link` (where to); one with neither is a folder.
 */
export function writeTar(entries, mtime) {
  const parts = [];
  for (const { path, mode, content, link } of entries) {
    const type = content !== undefined ? 'file' : link !== undefined ? 'link' : 'folder';
    const header = Buffer.alloc(BLOCK);
    const put = ([offset, size], value) => {
      if (header.write(value, offset, size) !== Buffer.byteLength(value))
        throw new RangeError(`${path} does not fit`);
    };
    const putNumber = (field, value) => put(field, `${value.toString(8).padStart(field[1] - 1, '0')}\0`);
    put(FIELD.name, type === 'folder' ? `${path}/` : path);
    putNumber(FIELD.mode, mode);
    putNumber(FIELD.uid, 0);
    putNumber(FIELD.gid, 0);
    putNumber(FIELD.size, content?.length ?? 0);
    putNumber(FIELD.mtime, mtime);
    put(FIELD.type, FILE_TYPES[type]);
    put(FIELD.linkName, link ?? '');
    put(FIELD.magic, 'ustar\x0000');
    put(FIELD.user, 'root');
    put(FIELD.group, 'root');
    // Its own field counts as spaces.
    put(FIELD.checksum, ' '.repeat(FIELD.checksum[1]));
    const sum = header.reduce((total, byte) => total + byte, 0);
    put(FIELD.checksum, `${sum.toString(8).padStart(6, '0')}\0 `);
    parts.push(header);
    if (content !== undefined) parts.push(content, Buffer.alloc(padded(content.length) - content.length));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}
