/** Reading strongSwan's `swanctl.conf` with the files that it includes. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isReadableByOthers } from '../config/secrets.js';
import { VpnrError } from '../errors.js';
import { parseSwanctl, type Section, type Source } from './swanctl.js';
import { filesMatching } from './wildcards.js';

export interface Swanctl {
  /** Where it comes from, for messages. */
  file: string;
  root: Section;
  /** What was passed over, for the user to read. */
  notes: string[];
}

/** All that are read because of one. */
const FILES_MAX = 256;

/** Throws CONFIG_NOT_FOUND, CONFIG_SYNTAX, CONFIG_INVALID, or SECRET_READABLE_BY_OTHERS of a file with a secret. */
export function readSwanctl(file: string): Swanctl {
  const notes: string[] = [];
  let read = 0;
  const root = parseSwanctl(open(file), (pattern, from) => {
    const paths = filesMatching(resolve(dirname(from), pattern));
    // As to strongSwan, this is no error.
    if (paths.length === 0) notes.push(`include ${pattern} in ${from}: there is no such file`);
    read += paths.length;
    if (read > FILES_MAX)
      throw new VpnrError('CONFIG_INVALID', `${file} includes more than ${FILES_MAX} files`);
    return paths.map(open);
  });
  return { file, root, notes };
}

/** Of a text that has no folder: what it includes is passed over. */
export function readSwanctlText(text: string, file: string): Swanctl {
  const notes: string[] = [];
  const root = parseSwanctl({ file, text, isReadableByOthers: false }, pattern => {
    notes.push(`include ${pattern}: only that of a file is followed`);
    return [];
  });
  return { file, root, notes };
}

function open(file: string): Source {
  try {
    const descriptor = openSync(file, 'r');
    try {
      return {
        file,
        text: readFileSync(descriptor, 'utf8'),
        isReadableByOthers: isReadableByOthers(fstatSync(descriptor)),
      };
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw new VpnrError('CONFIG_NOT_FOUND', `cannot read ${file}: ${(error as Error).message}`, {
      remedy: "name strongSwan's swanctl.conf, and run it as a user who may read that",
      cause: error,
    });
  }
}
