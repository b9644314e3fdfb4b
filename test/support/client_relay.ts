/** A client of the core with two tunnels and a session with a relay behind them, for tests of what passes between them. */
import { addressBytes } from '../../src/address.js';
import { emit, type Packet, UDP } from '../reference/packets.js';
import { concat } from './bytes.js';
import { TestClient } from './client.js';
import { generator } from './random.js';
import { Gateway, RELAY, RELAY_PORT, Relay } from './tunnels.js';

const SEED = 2003;
export const DEVICE = addressBytes('192.168.77.2');
export const CONTROL = addressBytes('192.0.0.2');
export const SERVER = addressBytes('10.30.0.9');
export const PAYLOAD = concat(Uint8Array.of(0, 80, 0, 81, 0, 12, 0, 0), Uint8Array.of(1, 2, 3, 4));
export const MODES = ['clear', 'sealed', 'ipip'] as const;

/** A client with two gateways, the first active under epoch 9, and a session with the relay behind them. */
export function setUp(mode: (typeof MODES)[number] = 'clear', device = '192.168.77.2') {
  const random = generator(SEED);
  const client = new TestClient();
  client.core.setDeviceAddresses(device);
  client.core.setControlAddresses('192.0.0.2');
  const paths = [0, 1].map(path => {
    const gateway = new Gateway(path, addressBytes(`10.6${path}.0.7`), random);
    client.core.setVirtualAddresses(path, gateway.virtual.join('.'));
    client.install('in', gateway.toClient, { path });
    client.install('out', gateway.fromClient, { path });
    return gateway;
  });
  client.core.activate(0, 9);
  client.core.setRelay({ address: RELAY.join('.'), port: RELAY_PORT });
  const relay = new Relay(random, mode);
  relay.bind(client);
  const [gateway, other] = paths as [Gateway, Gateway];
  return { random, client, gateway, other, relay, virtual: gateway.virtual };
}

/** From an application to a server. */
export const datagram = (change: Partial<Packet> = {}): Uint8Array =>
  emit({ source: DEVICE, destination: SERVER, protocol: UDP, transport: PAYLOAD, ...change });
