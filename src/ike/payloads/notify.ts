// Notify payload, RFC 7296 section 3.10.
import type { Reader, Writer } from '../bytes.js';
import { ProtocolId } from '../constants.js';

export interface NotifyPayload {
  type: 'N';
  /** Whose SPI it is; 0 when there is none. */
  protocol: number;
  spi: Uint8Array;
  notify: number;
  data: Uint8Array;
}

export function parseNotify(reader: Reader): NotifyPayload {
  const protocol = reader.u8();
  const spiSize = reader.u8();
  const notify = reader.u16();
  return { type: 'N', protocol, notify, spi: reader.bytes(spiSize), data: reader.rest() };
}

export function emitNotify(writer: Writer, { protocol, spi, notify, data }: NotifyPayload): void {
  writer.u8(protocol).u8(spi.length).u16(notify).bytes(spi).bytes(data);
}

/** A notification about the IKE SA or the exchange itself: no SPI. */
export function notification(notify: number, data: Uint8Array = new Uint8Array(0)): NotifyPayload {
  return { type: 'N', protocol: ProtocolId.NONE, spi: new Uint8Array(0), notify, data };
}

/** A notification about the ESP SA with this SPI: REKEY_SA, CHILD_SA_NOT_FOUND. */
export function espNotification(notify: number, espSpi: number): NotifyPayload {
  const spi = new Uint8Array(4);
  new DataView(spi.buffer).setUint32(0, espSpi);
  return { type: 'N', protocol: ProtocolId.ESP, spi, notify, data: new Uint8Array(0) };
}

/** The ESP SPI that the notification is about, or undefined. */
export function notifiedEspSpi({ protocol, spi }: NotifyPayload): number | undefined {
  if (protocol !== ProtocolId.ESP || spi.length !== 4) return undefined;
  return new DataView(spi.buffer, spi.byteOffset, 4).getUint32(0);
}
