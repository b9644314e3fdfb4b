/** How large a packet may be so that, with all that is put around it, it still fits the way to a gateway. */
import { RELAY_HEADER, RELAY_SEALED_HEADER, RELAY_SEALED_TAG } from './abi.js';
import type { SaParameters } from './core.js';

type Suite = SaParameters['suite'];

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const UDP_HEADER = 8;
/**
 * SPI, sequence number and explicit IV in front, ICV behind; inner packet and trailer together are a multiple of the alignment
 * (RFC 4303, 4106, 7634; for AES-CBC with HMAC-SHA2-256-128 RFC 3602, 4868).
 */
const AEAD = { around: 4 + 4 + 8 + 16, alignment: 4 };
const CBC = { around: 4 + 4 + 16 + 16, alignment: 16 };
const ESP: Record<Suite, { around: number; alignment: number }> = {
  chacha20poly1305: AEAD,
  aes256gcm16: AEAD,
  aes128gcm16: AEAD,
  'aes256-sha256': CBC,
  'aes128-sha256': CBC,
};
const ALL_SUITES = Object.keys(ESP) as Suite[];
/** Pad length and next header. */
const ESP_TRAILER = 2;
const TCP_HEADER = 20;
/**
 * What a gateway lets into a tunnel without fragmenting it, whatever its link takes: strongSwan's ESP in user
 * space (kernel-libipsec) has a device of this size.
 */
const GATEWAY_MTU = 1400;

export type Encapsulation = 'none' | 'clear' | 'sealed' | 'ipip';

const RELAY_OVERHEAD: Record<Encapsulation, number> = {
  none: 0,
  clear: IPV4_HEADER + UDP_HEADER + RELAY_HEADER,
  sealed: IPV4_HEADER + UDP_HEADER + RELAY_SEALED_HEADER + RELAY_SEALED_TAG,
  ipip: IPV4_HEADER,
};

/**
 * The largest device packet, in bytes, that passes a gateway and a link of `linkMtu` bytes in one ESP datagram of any of the
 * suites.
 */
export function innerMtu(
  linkMtu: number,
  outerFamily: 4 | 6,
  encapsulation: Encapsulation,
  suites: readonly Suite[] = ALL_SUITES,
): number {
  const room = linkMtu - datagramHeaders(outerFamily);
  const plaintexts = suites.map(suite => {
    const { around, alignment } = ESP[suite];
    return Math.floor((room - around) / alignment) * alignment;
  });
  return (
    Math.min(...plaintexts.map(bytes => bytes - ESP_TRAILER), GATEWAY_MTU) - RELAY_OVERHEAD[encapsulation]
  );
}

/** The size in bytes of the IP packet that carries a device packet of `mtu` bytes to a gateway, with the suite that adds most. */
export function outerSize(
  mtu: number,
  outerFamily: 4 | 6,
  encapsulation: Encapsulation,
  suites: readonly Suite[] = ALL_SUITES,
): number {
  const inner = mtu + RELAY_OVERHEAD[encapsulation] + ESP_TRAILER;
  const sizes = suites.map(suite => {
    const { around, alignment } = ESP[suite];
    return around + Math.ceil(inner / alignment) * alignment;
  });
  return datagramHeaders(outerFamily) + Math.max(...sizes);
}

/** Bytes of the headers of a UDP datagram. */
export function datagramHeaders(family: 4 | 6): number {
  return (family === 4 ? IPV4_HEADER : IPV6_HEADER) + UDP_HEADER;
}

/** TCP's maximum segment for IPv4 packets of this size. */
export function maxSegment(mtu: number): number {
  return mtu - IPV4_HEADER - TCP_HEADER;
}
