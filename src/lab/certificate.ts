/** Secrets and certificates, made without any other program. */
import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';

const DAY_MS = 86_400_000;
const DAYS = 30;

/** Tags of DER (X.690). */
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OBJECT = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const SEQUENCE = 0x30;
const SET = 0x31;
/** [0], constructed. */
const VERSION = 0xa0;

/** 2.5.4.3, as RFC 5280 Appendix A names it. */
const COMMON_NAME = Buffer.from('550403', 'hex');
/** 1.2.840.10045.4.3.2 (RFC 5758 section 3.2). */
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');

/**
 * Makes a self-signed certificate (RFC 5280, P-256) and its key (readable by its owner only) as PEM files, and
 * returns what pins it: "sha256:" and the DER's digest.
 */
export function makeCertificate(files: { certificate: string; key: string }, name: string): string {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(SEQUENCE, der(OBJECT, ECDSA_WITH_SHA256));
  const subject = der(
    SEQUENCE,
    der(SET, der(SEQUENCE, der(OBJECT, COMMON_NAME), der(UTF8_STRING, Buffer.from(name)))),
  );
  const now = Date.now();
  const body = der(
    SEQUENCE,
    der(VERSION, der(INTEGER, Buffer.of(2))),
    // Positive and without leading zeros.
    der(INTEGER, Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    subject,
    der(SEQUENCE, time(now - DAY_MS), time(now + DAYS * DAY_MS)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = der(BIT_STRING, Buffer.of(0), sign('sha256', body, privateKey));
  const certificate = new X509Certificate(der(SEQUENCE, body, algorithm, signature));
  writeFileSync(files.certificate, certificate.toString());
  writeFileSync(files.key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return `sha256:${createHash('sha256').update(certificate.raw).digest('hex')}`;
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

/** One element: its tag, the length of what it contains, and that. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

/** YYMMDDHHMMSSZ, good until 2049 (RFC 5280 section 4.1.2.5.1). */
function time(ms: number): Buffer {
  return der(UTC_TIME, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`));
}
