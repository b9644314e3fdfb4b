import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { setTimeout as pause } from 'node:timers/promises';
import type { GatewayEntry } from '../config/client.js';
import type { Endpoint } from '../ike/api.js';
import { createInitiator } from '../ike/initiator.js';
import { monotonicMs } from '../io/clock.js';
import { openUdp } from '../io/udp.js';
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
  const answered = await whichAreAnswered(endpoint, local => [
    firstMessage(gateway, identity, local, endpoint),
  ]);
  return answered.length > 0;
}

/**
 * Sends IKE messages, each with an SPI of its own, from a socket like a tunnel's, until the last of them is answered or time is over.
 * `make` gets the socket's own address. Returns the places of those that were answered.
 */
export async function whichAreAnswered(
  endpoint: Endpoint,
  make: (local: Endpoint) => readonly Uint8Array[],
): Promise<number[]> {
  const isV6 = endpoint.address.includes(':');
  const fd = openUdp({ local: { address: isV6 ? '::' : '0.0.0.0', port: 0 } });
  const socket = createSocket(isV6 ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((connected, failed) => {
      socket.once('error', failed);
      socket.bind({ fd }, () => socket.connect(endpoint.port, endpoint.address, connected));
    });
    const requests = make(socket.address());
    const answered = new Set<number>();
    const over = new Promise<boolean>(done => {
      socket.on('message', message => {
        const spi = message.subarray(NON_ESP_MARKER.length, NON_ESP_MARKER.length + IKE_SPI_SIZE);
        const place = requests.findIndex(request => spi.equals(request.subarray(0, IKE_SPI_SIZE)));
        if (place >= 0) answered.add(place);
        if (place === requests.length - 1) done(true);
      });
      // An ICMP "port unreachable": nobody listens there.
      socket.on('error', () => done(true));
    });
    for (let left = TRIES; left > 0; left--) {
      for (const [place, request] of requests.entries()) {
        if (!answered.has(place)) socket.send([NON_ESP_MARKER, request]);
      }
      if (await Promise.race([over, pause(WAIT_MS, false, { ref: false })])) break;
    }
    return [...answered].sort((one, other) => one - other);
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
