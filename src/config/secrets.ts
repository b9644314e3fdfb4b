/** Reading secrets: from a file that only its owner may read, or from the environment. */
import { closeSync, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { resolve } from 'node:path';
import { VpnrError } from '../errors.js';
import { isForbidden, SUDO } from '../file-error.js';
import { Secret } from '../secret.js';
import type { SecretSource } from './values.js';

const READABLE_BY_OTHERS = 0o077;

/**
 * The secret without the line break at its end. `folder` is what a relative path starts from; `purpose` is for
 * messages ("the pre-shared key of gateway tokyo"). Throws SECRET_NOT_FOUND, SECRET_READABLE_BY_OTHERS or NOT_ROOT.
 */
export function readSecret(source: SecretSource, folder: string, purpose: string): Secret {
  const bytes =
    'env' in source
      ? fromEnvironment(source.env, purpose)
      : readPrivateFile(resolve(folder, source.file), purpose);
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--;
  if (end === 0) {
    throw new VpnrError(
      'SECRET_NOT_FOUND',
      `${purpose}: ${'env' in source ? `$${source.env}` : source.file} is empty`,
      { remedy: 'write the secret there' },
    );
  }
  const secret = new Secret(Uint8Array.prototype.slice.call(bytes, 0, end));
  bytes.fill(0);
  return secret;
}

function fromEnvironment(variable: string, purpose: string): Uint8Array {
  const value = process.env[variable];
  if (value === undefined) {
    throw new VpnrError('SECRET_NOT_FOUND', `${purpose}: the environment variable ${variable} is not set`, {
      remedy: `set ${variable}, or name a file in the configuration`,
    });
  }
  return new TextEncoder().encode(value);
}

/** Whether others than its owner can read a file. */
export function isReadableByOthers({ mode }: Stats): boolean {
  return (mode & READABLE_BY_OTHERS) !== 0;
}

/**
 * A file's content, if nobody but its owner may read it. `where`: its path is named, for messages. Throws SECRET_NOT_FOUND,
 * SECRET_READABLE_BY_OTHERS or NOT_ROOT.
 */
export function readPrivateFile(path: string, purpose: string, where = 'in the configuration'): Uint8Array {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    const message = `${purpose}: cannot read ${path}: ${(error as Error).message}`;
    if (isForbidden(error)) throw new VpnrError('NOT_ROOT', message, { remedy: SUDO, cause: error });
    throw new VpnrError('SECRET_NOT_FOUND', message, {
      remedy: `create the file, or correct its path ${where}`,
      cause: error,
    });
  }
  try {
    // The open file is looked at, not the path: it cannot be exchanged in between.
    if (isReadableByOthers(fstatSync(descriptor))) {
      throw new VpnrError(
        'SECRET_READABLE_BY_OTHERS',
        `${purpose}: ${path} can be read by others than its owner`,
        {
          remedy: `chmod 600 ${path}`,
        },
      );
    }
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
