/** Secrets and certificates of the laboratory's hosts, as files. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { makeCertificate as make } from '../init/certificate.js';

const DAYS = 30;

/**
 * Makes a self-signed certificate and its key (readable by its owner only) as PEM files, and returns what pins it: "sha256:" and
 * the DER's digest.
 */
export function makeCertificate(files: { certificate: string; key: string }, name: string): string {
  const { certificate, key, fingerprint } = make(name, DAYS);
  writeFileSync(files.certificate, certificate);
  writeFileSync(files.key, key, { mode: 0o600 });
  return fingerprint;
}

/**
 * Writes a fresh random secret, as text, that only its owner can read, to each of the files; returns it. In hexadecimal: to
 * swanctl a secret that begins with "0x" or "0s" is an encoded one, and base64 begins so now and then.
 */
export function makeSecret(...files: string[]): string {
  const secret = randomBytes(24).toString('hex');
  for (const file of files) writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  return secret;
}
