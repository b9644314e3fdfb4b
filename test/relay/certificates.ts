/** Certificates for tests, made by the program `openssl`. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '../../src/secret.js';

export interface Certificate {
  certificate: string;
  key: Secret;
}

export interface TestCertificates {
  relay: Certificate;
  /** Another one for the same names, self-signed as well. */
  other: Certificate;
  authority: string;
  /** Signed by the authority, for 127.0.0.1 and relay.example. */
  signed: Certificate;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
const NAMES = 'subjectAltName=IP:127.0.0.1,DNS:relay.example';

export function makeCertificates(): TestCertificates {
  const directory = mkdtempSync(join(tmpdir(), 'vpnr-certificates-'));
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const read = (name: string): Certificate => ({
    certificate: readFileSync(file(`${name}.crt`), 'utf8'),
    key: Secret.fromText(readFileSync(file(`${name}.key`), 'utf8')),
  });
  const selfSigned = (name: string, ...more: string[]) => {
    const out = ['-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)];
    openssl('req', '-x509', ...NEW_KEY, ...out, '-subj', `/CN=${name}`, ...more);
    return read(name);
  };
  try {
    const relay = selfSigned('relay', '-addext', NAMES);
    const other = selfSigned('other', '-addext', NAMES);
    const authority = selfSigned('authority').certificate;
    openssl(
      'req',
      ...NEW_KEY,
      '-keyout',
      file('signed.key'),
      '-out',
      file('signed.csr'),
      '-subj',
      '/CN=signed',
    );
    writeFileSync(file('names'), NAMES);
    const by = [
      '-CA',
      file('authority.crt'),
      '-CAkey',
      file('authority.key'),
      '-CAcreateserial',
      '-days',
      '2',
    ];
    openssl(
      'x509',
      '-req',
      '-in',
      file('signed.csr'),
      '-out',
      file('signed.crt'),
      ...by,
      '-extfile',
      file('names'),
    );
    return { relay, other, authority, signed: read('signed') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
