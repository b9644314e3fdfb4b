/**
 * The relay's whole cost of a packet, system calls included: its core between a real socket and a real device, in network namespaces.
 *
 *   clients (their gateway) --- inner --- relay --- servers --- server
 *
 * What the clients and the server do is not measured. They take any number of datagrams and read none. Offloads are off: they would
 * join the packets of one session, not those of many.
 */
import { BatchSender } from '../../dataplane/batch.js';
import { VpnrError } from '../../errors.js';
import type { Endpoint } from '../../ike/api.js';
import { close } from '../../io/libc.js';
import { insideNamespace } from '../../io/namespace.js';
import { openTun, type TunDevice } from '../../io/tun.js';
import { openUdp, sendDatagram } from '../../io/udp.js';
import { type Host, Lab, type LabPlan, SERVER_ADDRESS } from '../../lab/index.js';
import { BATCH, RESULT_TO_DEVICE, TX_MMSG } from '../../packet/abi.js';
import { timed } from '../stopwatch.js';
import { CLIENT_POOL, DISCARD_PORT, type RelayCore, type RelayDirection } from './core.js';

const RELAY: Endpoint = { address: '10.20.0.100', port: 7511 };
/** The gateway that all clients are behind. */
export const CLIENTS: Endpoint = { address: '10.20.0.11', port: 7511 };
const SERVER_SIDE = '10.30.0.1';
const DEVICE = 'vpnr0';
const PLAN: LabPlan = {
  networks: ['inner', 'servers'],
  hosts: {
    clients: { links: { inner: { addresses: [`${CLIENTS.address}/16`] } } },
    relay: {
      links: { inner: { addresses: [`${RELAY.address}/16`] }, servers: { addresses: [`${SERVER_SIDE}/16`] } },
      sysctls: { 'net.ipv4.ip_forward': '1' },
    },
    server: {
      links: { servers: { addresses: [`${SERVER_ADDRESS}/16`] } },
      routes: [`${CLIENT_POOL} via ${SERVER_SIDE}`],
    },
  },
};
/** Looks for what has to have arrived; it is there at once unless the machine is very busy. */
const LOOKS = 100_000;
const UDP_AND_IPV4 = 28;

export class WholeRelay {
  readonly #lab: Lab;
  readonly #device: TunDevice;
  readonly #relay: number;
  readonly #clients: number;
  readonly #server: number;
  readonly #payload: Uint8Array;

  private constructor(lab: Lab, device: TunDevice, bytes: number) {
    this.#lab = lab;
    this.#device = device;
    this.#relay = inside(lab.host('relay'), () => openUdp({ local: RELAY }));
    this.#clients = inside(lab.host('clients'), () => openUdp({ local: CLIENTS, remote: RELAY }));
    const server = { address: SERVER_ADDRESS, port: DISCARD_PORT };
    this.#server = inside(lab.host('server'), () => openUdp({ local: server }));
    this.#payload = new Uint8Array(bytes - UDP_AND_IPV4);
  }

  /** For packets of so many bytes. Close it in any case. */
  static async create(bytes: number): Promise<WholeRelay> {
    const lab = await Lab.create(PLAN);
    try {
      const relay = lab.host('relay');
      const device = await inside(relay, () => openTun({ name: DEVICE }));
      await relay.run(['ip', 'link', 'set', DEVICE, 'up']);
      await relay.run(['ip', 'route', 'add', CLIENT_POOL, 'dev', DEVICE]);
      return new WholeRelay(lab, device, bytes);
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  close(): void {
    for (const fd of [this.#relay, this.#clients, this.#server]) close(fd);
    this.#device.close();
    this.#lab.close();
  }

  /** Nanoseconds for one packet of a batch whose sessions are chosen at random. */
  batch(core: RelayCore, direction: RelayDirection): number {
    return direction === 'to-server' ? this.#toServer(core) : this.#toClient(core);
  }

  /** recvmmsg -> relayReceive -> write to the device, as the data plane does it. */
  #toServer(core: RelayCore): number {
    const { io } = core;
    for (let i = 0; i < BATCH; i++) sendDatagram(this.#clients, [core.nextDatagram()]);
    return this.#handle(() => {
      const datagrams = io.receive(this.#relay);
      if (datagrams <= 0) return 0;
      io.core.exports.relayReceive(datagrams);
      io.writeDevice(this.#device.fd);
      return io.core.view.getUint32(RESULT_TO_DEVICE, true);
    });
  }

  /** read from the device -> relayTransmit -> sendmmsg. */
  #toClient(core: RelayCore): number {
    const { io } = core;
    const sender = new BatchSender(io, TX_MMSG);
    for (let i = 0; i < BATCH; i++) {
      sendDatagram(this.#server, [this.#payload], { address: core.anyLease(), port: DISCARD_PORT });
    }
    return this.#handle(() => {
      const messages = io.core.exports.relayTransmit(io.readDevice(this.#device.fd, true));
      if (messages > 0) sender.send(this.#relay, messages);
      return messages;
    });
  }

  /** Nanoseconds for one packet of a batch; `step` handles those that are there, and returns how many. */
  #handle(step: () => number): number {
    let handled = 0;
    const microseconds = timed(() => {
      for (let looks = 0; handled < BATCH && looks < LOOKS; looks++) handled += step();
    });
    if (handled < BATCH)
      throw new VpnrError('LAB_FAILED', `${BATCH - handled} packets of ${BATCH} were lost`);
    return (microseconds * 1000) / handled;
  }
}

function inside<T>(host: Host, action: () => T): T {
  return insideNamespace(`/run/netns/${host.namespace}`, action);
}
