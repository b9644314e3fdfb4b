/** Self-signed certificates, made without any other program. */
import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { addressBytes } from '../address.js';

const DAY_MS = 86_400_000;

/** Tags of DER (X.690). */
const BOOLEAN = 0x01;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const SEQUENCE = 0x30;
const SET = 0x31;
/** [0] and [3], constructed: version and extensions of a certificate (RFC 5280 section 4.1). */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
/** [2] and [7]: a name and an address among the alternative names (RFC 5280 section 4.2.1.6). */
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

/** 2.5.4.3, 2.5.29.17 and 2.5.29.19, as RFC 5280 Appendix A names them. */
const COMMON_NAME = Buffer.from('550403', 'hex');
const SUBJECT_ALT_NAME = Buffer.from('551d11', 'hex');
const BASIC_CONSTRAINTS = Buffer.from('551d13', 'hex');
/** 1.2.840.10045.4.3.2 (RFC 5758 section 3.2). */
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');

export interface MadeCertificate {
  /** PEM. */
  certificate: string;
  /** PEM, PKCS #8. */
  key: string;
  /** What pins it: "sha256:" and the DER's digest. */
  fingerprint: string;
}

/**
 * Makes a self-signed certificate (RFC 5280, P-256), valid from a day ago, for a name or an IPv4 address; and its
 * key.
 */
export function makeCertificate(name: string, days: number): MadeCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(SEQUENCE, der(OBJECT, ECDSA_WITH_SHA256));
  const subject = der(
    SEQUENCE,
    der(SET, der(SEQUENCE, der(OBJECT, COMMON_NAME), der(UTF8_STRING, Buffer.from(name)))),
  );
  const now = Date.now();
  const alternative = isIPv4(name)
    ? der(IP_ADDRESS, Buffer.from(addressBytes(name)))
    : der(DNS_NAME, Buffer.from(name));
  const body = der(
    SEQUENCE,
    der(VERSION, der(INTEGER, Buffer.of(2))),
    // Positive and without leading zeros.
    der(INTEGER, Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    subject,
    der(SEQUENCE, time(now - DAY_MS), time(now + days * DAY_MS)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      EXTENSIONS,
      der(
        SEQUENCE,
        extension(SUBJECT_ALT_NAME, false, der(SEQUENCE, alternative)),
        // It is its own authority: clients may name it as such.
        extension(BASIC_CONSTRAINTS, true, der(SEQUENCE, der(BOOLEAN, Buffer.of(0xff)))),
      ),
    ),
  );
  const signature = der(BIT_STRING, Buffer.of(0), sign('sha256', body, privateKey));
  const certificate = new X509Certificate(der(SEQUENCE, body, algorithm, signature));
  return {
    certificate: certificate.toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    fingerprint: `sha256:${createHash('sha256').update(certificate.raw).digest('hex')}`,
  };
}

function extension(id: Buffer, isCritical: boolean, value: Buffer): Buffer {
  const critical = isCritical ? [der(BOOLEAN, Buffer.of(0xff))] : [];
  return der(SEQUENCE, der(OBJECT, id), ...critical, der(OCTET_STRING, value));
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
