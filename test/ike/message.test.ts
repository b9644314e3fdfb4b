import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ExchangeType, NotifyType } from '../../src/ike/constants.js';
import { emitMessage, type Message, parseMessage } from '../../src/ike/message.js';
import { notification } from '../../src/ike/payloads/notify.js';

test('a message comes back as it was', () => {
  const message: Message = {
    initiatorSpi: 0x0102030405060708n,
    responderSpi: 0n,
    exchange: ExchangeType.IKE_SA_INIT,
    initiator: true,
    response: false,
    messageId: 0,
    payloads: [
      { type: 'KE', group: 31, data: new Uint8Array(32).fill(7) },
      { type: 'Nonce', data: new Uint8Array(32).fill(9) },
      notification(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED),
    ],
  };
  assert.equal(parseMessage(emitMessage(message)), message);
});

test.run();
