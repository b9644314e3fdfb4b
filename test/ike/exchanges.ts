import { ExchangeType, NotifyType, ProtocolId } from '../../src/ike/constants.js';
import { generateKeyExchange } from '../../src/ike/crypto/dh.js';
import { keyPayload } from '../../src/ike/key-exchange.js';
import type { DeletePayload } from '../../src/ike/payloads/delete.js';
import { espNotification } from '../../src/ike/payloads/notify.js';
import type { Payload } from '../../src/ike/payloads/payload.js';
import { offerEsp, offerIke } from '../../src/ike/proposal.js';
import { anySelector } from '../../src/ike/selectors.js';
import { PROPOSAL } from './raw-peer.js';

export const random = (size: number) => new Uint8Array(size).fill(7);
export const TS: Payload[] = [
  { type: 'TSi', selectors: [anySelector(4)] },
  { type: 'TSr', selectors: [anySelector(4)] },
];

export function nonce(first: number): Payload {
  return { type: 'Nonce', data: new Uint8Array(32).fill(first) };
}

export function deleteChild(...spis: number[]): DeletePayload {
  return { type: 'D', protocol: ProtocolId.ESP, spis };
}

/** A request to rekey the child that the peer receives on with `spi`. */
export function rekeyChild(spi: number, newSpi = 0x3333, first = 0x80): Payload[] {
  return [
    espNotification(NotifyType.REKEY_SA, spi),
    offerEsp([{ suite: 'aes256gcm16' }], newSpi),
    nonce(first),
    ...TS,
  ];
}

export function rekeyIke(proposals = [PROPOSAL], group = PROPOSAL.group): Payload[] {
  return [offerIke(proposals, 0x77n), nonce(0x80), keyPayload(generateKeyExchange(group, random))];
}

export function childAnswer(spi: number, first: number): Payload[] {
  const [proposal] = offerEsp([{ suite: 'chacha20poly1305' }], spi).proposals;
  return [{ type: 'SA', proposals: proposal === undefined ? [] : [proposal] }, nonce(first), ...TS];
}

export function notifies(payloads: readonly Payload[]): number[] {
  return payloads.flatMap(payload => (payload.type === 'N' ? [payload.notify] : []));
}

export function types(outputs: readonly { type: string }[]): string[] {
  return outputs.map(({ type }) => type);
}

export const CREATE = ExchangeType.CREATE_CHILD_SA;
