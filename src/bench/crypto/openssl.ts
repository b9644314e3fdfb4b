/** OpenSSL's native code, as `openssl speed` measures it. */
import { findProgram, runCommand } from '../../lab/command.js';
import type { CryptoSuite } from './packets.js';

export const OPENSSL_BYTES = 1400;
const CIPHERS: Partial<Record<CryptoSuite, string>> = {
  chacha20poly1305: 'chacha20-poly1305',
  aes256gcm16: 'aes-256-gcm',
};

export function opensslObstacle(): string | undefined {
  return findProgram('openssl') === undefined ? 'openssl is not installed' : undefined;
}

/** Whether `openssl speed` is asked about the suite. */
export const hasOpensslCipher = (suite: CryptoSuite) => CIPHERS[suite] !== undefined;

/** Microseconds to encrypt OPENSSL_BYTES, by CPU time over one second; undefined when it does not say. */
export async function opensslSpeed(suite: CryptoSuite): Promise<number | undefined> {
  const cipher = CIPHERS[suite] ?? '';
  const { status, stdout } = await runCommand([
    'openssl',
    ...['speed', '-evp', cipher, '-bytes', String(OPENSSL_BYTES), '-seconds', '1'],
  ]);
  return status === 0 ? parseSpeed(stdout) : undefined;
}

/** The last line is as "ChaCha20-Poly1305  1724321.79k": thousands of bytes a second. */
export function parseSpeed(output: string): number | undefined {
  const rate = Number(output.trimEnd().match(/\s(\d+(?:\.\d+)?)k$/)?.[1]);
  return rate > 0 ? (OPENSSL_BYTES * 1000) / rate : undefined;
}
