// NAT detection, RFC 7296 section 2.23.
import { createHash } from 'node:crypto';
import { addressBytes } from '../address.js';
import type { Endpoint } from './api.js';
import { concat, u64Bytes } from './bytes.js';

/** Data of NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP: SHA-1(SPIi | SPIr | address | port). */
export function natDetectionHash(initiatorSpi: bigint, responderSpi: bigint, endpoint: Endpoint): Uint8Array {
  const port = Uint8Array.of(endpoint.port >>> 8, endpoint.port & 0xff);
  const input = concat(u64Bytes(initiatorSpi), u64Bytes(responderSpi), addressBytes(endpoint.address), port);
  return new Uint8Array(createHash('sha1').update(input).digest());
}
