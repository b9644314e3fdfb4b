/** How a client knows that it speaks with its relay, before it says anything. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import { VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import { equalSecrets, fingerprintOf, formatFingerprint, parseFingerprint } from './keys.js';
import { ALPN } from './protocol.js';

/** By its very certificate, or by a certificate that `ca` vouches for. */
export type RelayTrust =
  | { fingerprint: string }
  /** PEM. `name`: host name in the certificate; absent: the relay's address must be in it. */
  | { ca: string; name?: string };

/** What a configuration says; `ca`: the text of its file. */
export function trustIn(
  { fingerprint }: { fingerprint?: string | undefined },
  ca: string | undefined,
): RelayTrust {
  return fingerprint === undefined ? { ca: ca ?? '' } : { fingerprint };
}

/** The text of a PEM file that begins with a certificate. Throws CERTIFICATE_INVALID. */
export function readAuthority(path: string): string {
  try {
    const pem = readFileSync(path, 'utf8');
    // Throws unless it begins with a certificate: without one, the system's authorities would count.
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    throw new VpnrError(
      'CERTIFICATE_INVALID',
      `the certificate ${path} of the relay's authority: ${(error as Error).message}`,
      {
        remedy: 'correct relay.ca in the configuration',
        cause: error,
      },
    );
  }
}

/** Begins a connection to the relay, from `localAddress` if given. What `ca` does not vouch for ends in an error of the socket. */
export function dial({ address, port }: Endpoint, trust: RelayTrust, localAddress?: string): TLSSocket {
  return connect({
    host: address,
    port,
    minVersion: 'TLSv1.3',
    ALPNProtocols: [ALPN],
    ...(localAddress !== undefined && { localAddress }),
    // A pinned certificate needs no authority: `checkPin` compares it before anything is sent.
    ...('ca' in trust ? { ca: trust.ca, rejectUnauthorized: true } : { rejectUnauthorized: false }),
    ...('ca' in trust && trust.name !== undefined && { servername: trust.name }),
  });
}

/** `seen`: what the relay shows. Throws RELAY_CERTIFICATE if another certificate is pinned. */
export function checkPin(seen: X509Certificate | undefined, trust: RelayTrust): void {
  if (!('fingerprint' in trust)) return;
  const fingerprint = seen === undefined ? Buffer.alloc(0) : fingerprintOf(seen.raw);
  if (equalSecrets(fingerprint, parseFingerprint(trust.fingerprint))) return;
  const expected = formatFingerprint(parseFingerprint(trust.fingerprint));
  throw new VpnrError(
    'RELAY_CERTIFICATE',
    `the relay's certificate is not the expected one: expected ${expected}, seen ${formatFingerprint(fingerprint)}`,
    {
      remedy:
        'if the relay has a new certificate, put its fingerprint into relay.fingerprint; otherwise do not connect',
    },
  );
}

/** What the failure of a connection is called if its certificate was the reason. */
export function relayCertificateError(socket: TLSSocket, error: Error): VpnrError | undefined {
  // Set by node:tls when it has checked the certificate and found it wanting.
  if (!socket.authorizationError) return undefined;
  return new VpnrError('RELAY_CERTIFICATE', `the relay's certificate is not accepted: ${error.message}`, {
    remedy: "relay.ca must hold the authority of the relay's certificate, which must name the relay",
    cause: error,
  });
}

/**
 * The certificate of the relay, if it is the right one; undefined if no relay answers within `timeoutMs`. Nothing is said to it.
 * Throws RELAY_CERTIFICATE.
 */
export async function lookAtCertificate(
  relay: Endpoint,
  trust: RelayTrust,
  timeoutMs: number,
): Promise<X509Certificate | undefined> {
  const socket = dial(relay, trust);
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  try {
    return await new Promise((resolve, reject) => {
      socket.once('secureConnect', () => {
        try {
          if (socket.alpnProtocol !== ALPN) return resolve(undefined);
          const seen = socket.getPeerX509Certificate();
          checkPin(seen, trust);
          resolve(seen);
        } catch (error) {
          reject(error);
        }
      });
      socket.on('error', error => {
        const distrusted = relayCertificateError(socket, error);
        if (distrusted === undefined) resolve(undefined);
        else reject(distrusted);
      });
      socket.once('close', () => resolve(undefined));
    });
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
