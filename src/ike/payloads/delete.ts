// Delete payload, RFC 7296 section 3.11.
import type { Reader, Writer } from '../bytes.js';
import { ProtocolId } from '../constants.js';

export interface DeletePayload {
  type: 'D';
  protocol: number;
  /** Of AH or ESP, as the sender receives on them; empty for the IKE SA itself. */
  spis: number[];
}

export function parseDelete(reader: Reader): DeletePayload {
  const protocol = reader.u8();
  const spiSize = reader.u8();
  const count = reader.u16();
  const isIke = protocol === ProtocolId.IKE;
  if (spiSize !== (isIke ? 0 : 4)) reader.fail(`SPIs of ${spiSize} bytes for protocol ${protocol}`);
  if (reader.remaining !== count * spiSize || (isIke && count > 0)) {
    reader.fail(`${count} SPIs in ${reader.remaining} bytes`);
  }
  return { type: 'D', protocol, spis: Array.from({ length: reader.remaining / 4 }, () => reader.u32()) };
}

export function emitDelete(writer: Writer, { protocol, spis }: DeletePayload): void {
  writer
    .u8(protocol)
    .u8(protocol === ProtocolId.IKE ? 0 : 4)
    .u16(spis.length);
  for (const spi of spis) writer.u32(spi);
}
