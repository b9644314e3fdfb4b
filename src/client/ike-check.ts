import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { GatewayEntry } from '../config/client.js';
import type { Endpoint } from '../ike/api.js';
import { createInitiator } from '../ike/initiator.js';
import { monotonicMs } from '../io/clock.js';
import { Secret } from '../secret.js';

const WAIT_MS = 1000;
const TRIES = 3;
const NON_ESP_MARKER = new Uint8Array(4);
const IKE_SPI_SIZE = 8;

/**
 * Whether the gateway answers an IKE_SA_INIT (with anything: an agreement, a cookie, a refusal). No authentication
 * follows, so it tells nothing about keys.
 */
export async function answersIke(
  gateway: GatewayEntry,
  identity: string,
  endpoint: Endpoint,
): Promise<boolean> {
  const socket = createSocket(endpoint.address.includes(':') ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((connected, failed) => {
      socket.once('error', failed);
      socket.connect(endpoint.port, endpoint.address, connected);
    });
    const { address, port } = socket.address();
    const request = firstMessage(gateway, identity, { address, port }, endpoint);
    const answered = new Promise<boolean>(done => {
      socket.on('message', message => {
        const at = NON_ESP_MARKER.length;
        if (message.subarray(at, at + IKE_SPI_SIZE).equals(request.subarray(0, IKE_SPI_SIZE))) done(true);
      });
      // An ICMP "port unreachable": nobody listens there.
      socket.on('error', () => done(false));
    });
    for (let left = TRIES; left > 0; left--) {
      socket.send([NON_ESP_MARKER, request]);
      const waited = new Promise<undefined>(done => setTimeout(() => done(undefined), WAIT_MS));
      const result = await Promise.race([answered, waited]);
      if (result !== undefined) return result;
    }
    return false;
  } finally {
    socket.close();
  }
}

/** The IKE_SA_INIT of somebody who wants to connect. */
export function firstMessage(
  gateway: GatewayEntry,
  identity: string,
  local: Endpoint,
  remote: Endpoint,
): Uint8Array {
  const session = createInitiator(
    {
      identity,
      peerIdentity: gateway.identity,
      psk: new Secret(new Uint8Array(0)),
      ike: gateway.ike,
      esp: gateway.esp,
      lifetimes: { ikeMs: Number.POSITIVE_INFINITY, childMs: Number.POSITIVE_INFINITY },
      local,
      remote,
    },
    { random: size => randomBytes(size), allocateSpi: () => 256, releaseSpi: () => {} },
  );
  const first = session.start(monotonicMs()).find(output => output.type === 'send');
  return first?.type === 'send' ? first.datagram : new Uint8Array(0);
}
