// What a gateway says to a message that belongs to no IKE SA, without protection and without keeping anything.
import { HEADER_SIZE, HeaderFlag, NotifyType, VERSION } from '../ike/constants.js';
import { emitMessage, type Header } from '../ike/message.js';
import { notification } from '../ike/payloads/notify.js';

const VERSION_AT = 17;
const EXCHANGE_AT = 18;
const FLAGS_AT = 19;
const MESSAGE_ID_AT = 20;

/** INVALID_IKE_SPI, for a request to an IKE SA that is not there (RFC 7296 section 2.21.4); a response gets none. */
export function unknownSpiAnswer(header: Header): Uint8Array | undefined {
  if (header.response) return undefined;
  return answerTo(header, NotifyType.INVALID_IKE_SPI);
}

/** INVALID_MAJOR_VERSION, for a request of a later major version (RFC 7296 section 2.5). */
export function versionAnswer(datagram: Uint8Array): Uint8Array | undefined {
  if (datagram.length < HEADER_SIZE) return undefined;
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  const flags = view.getUint8(FLAGS_AT);
  const isLater = view.getUint8(VERSION_AT) >> 4 > VERSION >> 4;
  if (!isLater || (flags & HeaderFlag.RESPONSE) !== 0) return undefined;
  const header = {
    initiatorSpi: view.getBigUint64(0),
    responderSpi: view.getBigUint64(8),
    exchange: view.getUint8(EXCHANGE_AT),
    initiator: (flags & HeaderFlag.INITIATOR) !== 0,
    messageId: view.getUint32(MESSAGE_ID_AT),
  };
  return answerTo({ ...header, response: false }, NotifyType.INVALID_MAJOR_VERSION);
}

function answerTo({ initiatorSpi, responderSpi, exchange, initiator, messageId }: Header, notify: number) {
  return emitMessage({
    initiatorSpi,
    responderSpi,
    exchange,
    initiator: !initiator,
    response: true,
    messageId,
    payloads: [notification(notify)],
  });
}
