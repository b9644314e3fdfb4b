/**
 * How large the datagrams may be that reach a gateway. Where a network on the way loses those that are too large for it and says
 * nothing, TCP connects through the tunnel and then hangs.
 */
import { randomBytes } from 'node:crypto';
import type { GatewayEntry } from '../config/client.js';
import type { Endpoint } from '../ike/api.js';
import { TransformType } from '../ike/constants.js';
import { emitMessage, parseMessage } from '../ike/message.js';
import type { Payload } from '../ike/payloads/payload.js';
import { datagramHeaders } from '../packet/mtu.js';
import { firstMessage, whichAreAnswered } from './ike-check.js';

/** Of the ways that networks are made of: mobile, tunnels of several kinds, PPPoE, and the least of IPv6. */
const USUAL = [1200, 1280, 1340, 1380, 1400, 1420, 1440, 1460, 1480, 1492];
/** For private use (RFC 7296 section 3.3.2): nobody has it. */
const NO_CIPHER = 65535;
const NON_ESP_MARKER_SIZE = 4;
const PAYLOAD_HEADER_SIZE = 4;
/** Whose IKE_SA_INIT this is, to those who look at it. */
const PADDING = new TextEncoder().encode('vpnr: does a datagram of this size arrive? ');

/**
 * The size in bytes of the largest IP packet, of `wanted` and of usual smaller ones, that the gateway answers; undefined if it answers none.
 * Each is an IKE_SA_INIT that it must refuse, so that it keeps nothing of them.
 */
export async function largestAnswered(
  gateway: GatewayEntry,
  identity: string,
  endpoint: Endpoint,
  wanted: number,
): Promise<number | undefined> {
  const sizes = [...USUAL.filter(size => size < wanted), wanted];
  const answered = await whichAreAnswered(endpoint, local => {
    const first = firstMessage(gateway, identity, local, endpoint);
    const family = endpoint.address.includes(':') ? 6 : 4;
    return sizes.map(size => refusable(first, size - datagramHeaders(family) - NON_ESP_MARKER_SIZE));
  });
  const last = answered.at(-1);
  return last === undefined ? undefined : sizes[last];
}

/** An IKE_SA_INIT of this size that offers nothing: it is answered with NO_PROPOSAL_CHOSEN. */
export function refusable(first: Uint8Array, size: number): Uint8Array {
  const message = parseMessage(first);
  const padding = Math.max(size - first.length - PAYLOAD_HEADER_SIZE, 0);
  return emitMessage({
    ...message,
    initiatorSpi: randomBytes(8).readBigUInt64BE(),
    payloads: [
      ...message.payloads.map(withoutCipher),
      {
        type: 'V',
        data: Uint8Array.from({ length: padding }, (_, i) => PADDING[i % PADDING.length] as number),
      },
    ],
  });
}

function withoutCipher(payload: Payload): Payload {
  if (payload.type !== 'SA') return payload;
  const proposals = payload.proposals.map(proposal => ({
    ...proposal,
    transforms: proposal.transforms.map(transform =>
      transform.type === TransformType.ENCR ? { type: transform.type, id: NO_CIPHER } : transform,
    ),
  }));
  return { type: 'SA', proposals };
}
