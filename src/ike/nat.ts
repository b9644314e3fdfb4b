// NAT detection, RFC 7296 section 2.23.
import { createHash } from 'node:crypto';
import { addressBytes } from '../address.js';
import type { Endpoint } from './api.js';
import { concat, u64Bytes } from './bytes.js';
import { NotifyType } from './constants.js';
import { type NotifyPayload, notification } from './payloads/notify.js';

/**
 * No address at all. As our source it makes the peer, whatever it compares it with, take us to be behind a NAT and use
 * UDP encapsulation, the only kind spoken here.
 */
export const NOWHERE: Endpoint = { address: '0.0.0.0', port: 0 };

/** Data of NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP: SHA-1(SPIi | SPIr | address | port). */
export function natDetectionHash(initiatorSpi: bigint, responderSpi: bigint, endpoint: Endpoint): Uint8Array {
  const port = Uint8Array.of(endpoint.port >>> 8, endpoint.port & 0xff);
  const input = concat(u64Bytes(initiatorSpi), u64Bytes(responderSpi), addressBytes(endpoint.address), port);
  return new Uint8Array(createHash('sha1').update(input).digest());
}

/** NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP of a message in the IKE SA with these SPIs. */
export function natDetection(
  { initiatorSpi, responderSpi }: { initiatorSpi: bigint; responderSpi: bigint },
  { source, destination }: { source: Endpoint; destination: Endpoint },
): NotifyPayload[] {
  const hash = (endpoint: Endpoint) => natDetectionHash(initiatorSpi, responderSpi, endpoint);
  return [
    notification(NotifyType.NAT_DETECTION_SOURCE_IP, hash(source)),
    notification(NotifyType.NAT_DETECTION_DESTINATION_IP, hash(destination)),
  ];
}
