/** Fields of TCP (RFC 9293) and UDP (RFC 768) headers that are handled as such. */

export const TCP_HEADER: u32 = 20;
export const TCP_SEQUENCE: usize = 4;
export const TCP_FLAGS: usize = 13;
export const TCP_CHECKSUM: u32 = 16;
export const TCP_FIN: u32 = 0x01;
export const TCP_SYN: u32 = 0x02;
export const TCP_PSH: u32 = 0x08;
export const TCP_ACK: u32 = 0x10;
export const TCP_CWR: u32 = 0x80;

export const UDP_HEADER: u32 = 8;
export const UDP_LENGTH: usize = 4;
export const UDP_CHECKSUM: u32 = 6;

const TCP_DATA_OFFSET: usize = 12;

/** In bytes, options included. */
export function tcpHeaderLength(tcp: usize): u32 {
  return (<u32>load<u8>(tcp, TCP_DATA_OFFSET) >> 4) << 2;
}

/** Whether it asks for a connection: SYN without ACK (RFC 9293 section 3.5). */
export function isTcpRequest(tcp: usize): bool {
  return (load<u8>(tcp, TCP_FLAGS) & (TCP_SYN | TCP_ACK)) === TCP_SYN;
}
