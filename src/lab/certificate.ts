import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { mustRun } from './command.js';

/** Makes a self-signed certificate (P-256) and its key, and returns what pins it: "sha256:" and the DER's digest. */
export async function makeCertificate(
  files: { certificate: string; key: string },
  name: string,
): Promise<string> {
  await mustRun([
    ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-keyout', files.key, '-out', files.certificate, '-days', '30', '-subj', `/CN=${name}`],
  ]);
  const { raw } = new X509Certificate(readFileSync(files.certificate));
  return `sha256:${createHash('sha256').update(raw).digest('hex')}`;
}

/** Writes a fresh random secret, as text, that only its owner can read, to each of the files; returns it. */
export function makeSecret(...files: string[]): string {
  const secret = randomBytes(24).toString('base64url');
  for (const file of files) writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  return secret;
}
