/** How large a packet may be so that, with all that is put around it, it still fits the way to a gateway. */

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const UDP_HEADER = 8;
/** SPI, sequence number and explicit IV in front; ICV behind (RFC 4303, 4106, 7634: the same for all our suites). */
const ESP_AROUND = 4 + 4 + 8 + 16;
/** Pad length and next header; inner packet and trailer together are a multiple of 4. */
const ESP_TRAILER = 2;
const ESP_ALIGNMENT = 4;
const RELAY_HEADER = 24;
const TCP_HEADER = 20;
/**
 * What a gateway lets into a tunnel without fragmenting it, whatever its link takes: strongSwan's ESP in user
 * space (kernel-libipsec) has a device of this size.
 */
const GATEWAY_MTU = 1400;

export type Encapsulation = 'none' | 'clear' | 'ipip';

const RELAY_OVERHEAD: Record<Encapsulation, number> = {
  none: 0,
  clear: IPV4_HEADER + UDP_HEADER + RELAY_HEADER,
  ipip: IPV4_HEADER,
};

/** The largest device packet, in bytes, that passes a gateway and a link of `linkMtu` bytes in one ESP datagram. */
export function innerMtu(linkMtu: number, outerFamily: 4 | 6, encapsulation: Encapsulation): number {
  const room = linkMtu - (outerFamily === 4 ? IPV4_HEADER : IPV6_HEADER) - UDP_HEADER - ESP_AROUND;
  const aligned = room - (room % ESP_ALIGNMENT);
  return Math.min(aligned - ESP_TRAILER, GATEWAY_MTU) - RELAY_OVERHEAD[encapsulation];
}

/** TCP's maximum segment for IPv4 packets of this size. */
export function maxSegment(mtu: number): number {
  return mtu - IPV4_HEADER - TCP_HEADER;
}
