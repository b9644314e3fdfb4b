/** How long a certificate is valid. */
import type { X509Certificate } from 'node:crypto';
import { VpnrError } from '../errors.js';

/** Less is worth a word. */
const SOON_MS = 30 * 86_400_000;

/** Says until when, and whether that is soon. Throws CERTIFICATE_INVALID with this remedy if it is not valid now; `name`: what to call it. */
export function describeLife(certificate: X509Certificate, name: string, remedy: string): string {
  const { validFrom, validTo } = certificate;
  const now = Date.now();
  const left = Date.parse(validTo) - now;
  if (left < 0 || Date.parse(validFrom) > now) {
    throw new VpnrError('CERTIFICATE_INVALID', `${name} is valid from ${validFrom} to ${validTo}`, {
      remedy,
    });
  }
  return `${left < SOON_MS ? 'soon to expire: ' : ''}valid to ${validTo}`;
}
