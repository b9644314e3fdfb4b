/** Clamping TCP's maximum segment size, so that both ends send segments which fit the tunnel. */
import { applyDelta, deltaOf } from './checksum';
import { ipVersion, load16, locateTransport, PROTOCOL_TCP, transportOffset, transportProtocol } from './ip';
import { TCP_CHECKSUM, TCP_FLAGS, TCP_HEADER, TCP_SYN } from './transport';

const TCP_DATA_OFFSET: u32 = 12;
const OPTION_END: u32 = 0;
const OPTION_NOP: u32 = 1;
const OPTION_MSS: u32 = 2;
const OPTION_MSS_LENGTH: u32 = 4;
/** An IPv6 header is this much longer than an IPv4 header. */
const IPV6_EXTRA: u32 = 20;

/**
 * Lowers the MSS option of a TCP SYN to `maxSegment` (for IPv4: MTU - 40; for IPv6 20 less is used). The packet
 * must have passed `checkPacket`. A SYN without the option is left alone: its peer assumes 536 or 1220, RFC 9293
 * section 3.7.1.
 */
export function clampMss(p: usize, length: u32, maxSegment: u32): void {
  const located = locateTransport(p, length);
  const offset = transportOffset(located);
  if (transportProtocol(located) !== PROTOCOL_TCP || offset === 0 || offset + TCP_HEADER > length) return;
  const tcp = p + offset;
  if ((load<u8>(tcp, TCP_FLAGS) & TCP_SYN) === 0) return;
  const limit = ipVersion(p) === 4 ? maxSegment : maxSegment - IPV6_EXTRA;
  const end = min((<u32>load<u8>(tcp, TCP_DATA_OFFSET) >> 4) << 2, length - offset);
  // RFC 9293 section 3.1: options.
  for (let at = TCP_HEADER; at + OPTION_MSS_LENGTH <= end; ) {
    const kind: u32 = load<u8>(tcp + at);
    if (kind === OPTION_END) return;
    if (kind === OPTION_NOP) {
      at += 1;
      continue;
    }
    const size: u32 = load<u8>(tcp + at + 1);
    if (size < 2) return;
    if (kind === OPTION_MSS && size === OPTION_MSS_LENGTH) lower(tcp, at + 2, limit);
    at += size;
  }
}

function lower(tcp: usize, at: u32, limit: u32): void {
  if (load16(tcp + at) <= limit) return;
  const before: u32 = load<u16>(tcp + at);
  const after: u32 = bswap<u16>(<u16>limit);
  store<u16>(tcp + at, <u16>after);
  const delta = deltaOf(before, after);
  // At an odd offset the bytes belong to the other halves of their words, RFC 1071 section 2 (B).
  applyDelta(tcp + TCP_CHECKSUM, (at & 1) === 0 ? delta : <u32>bswap<u16>(<u16>delta));
}
