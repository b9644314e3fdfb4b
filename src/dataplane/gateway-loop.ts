/**
 * The gateway's worker, with at most one batch of each descriptor in a turn:
 *   device: read -> gatewayTransmit -> sendmmsg
 *   socket: recvmmsg -> gatewayReceive -> write to the device; IKE and events to the main thread
 */
import { VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import { readSockaddr, sockaddrBytes } from '../io/sockaddr.js';
import {
  DROP_RX_CONTROL_FULL,
  EVENT_PEER_MOVED,
  EVENT_SIZE,
  EVENTS,
  NAME_SIZE,
  OK,
  PEER_RECEIVED,
  PEER_SIZE,
  PEERS,
  RESULT_EVENTS,
  RX_NAMES,
  SCRATCH,
  TX_MMSG,
} from '../packet/abi.js';
import { PacketCore } from '../packet/core.js';
import { carryOutForChild } from './associations.js';
import { BatchIo, BatchSender } from './batch.js';
import type { Channel } from './channel.js';
import type { GatewayCommand, GatewayReport, GatewayRole, StopCommand } from './messages.js';
import { initServer, packetAddress, ServerLoop } from './server-loop.js';
import { EVENT_QUEUE, INIT_QUEUE, SESSION_QUEUE } from './shared.js';

/** Of the responder's SPI in IKE's header; zero in a request that begins an IKE SA. */
const RESPONDER_SPI = 8;

export class GatewayLoop {
  readonly #channel: Channel<GatewayCommand, GatewayReport>;
  readonly #tunFd: number;
  readonly #udpFd: number;
  readonly #core = new PacketCore();
  readonly #io = new BatchIo(this.#core);
  readonly #sender = new BatchSender(this.#io, TX_MMSG);
  readonly #loop: ServerLoop<GatewayCommand, GatewayReport>;

  constructor(role: GatewayRole, channel: Channel<GatewayCommand, GatewayReport>) {
    this.#channel = channel;
    this.#tunFd = role.tunFd;
    this.#udpFd = role.udpFd;
    initServer(this.#io, 'gatewayInit', role);
    this.#core.useOffloads(role.offloads);
    const socket = { fd: role.udpFd, sender: this.#sender, receive: (n: number) => this.#receive(n) };
    this.#loop = new ServerLoop(channel, this.#io, role.tunFd, {
      sockets: [socket],
      answers: false,
      transmit: packets => this.#transmit(packets),
      carryOut: command => this.#carryOut(command),
    });
  }

  /** Returns when the main thread says so. */
  run(): void {
    this.#loop.run();
  }

  // --- Packets ------------------------------------------------------------------------------------------------

  #transmit(packets: number): void {
    const messages = this.#core.exports.gatewayTransmit(packets);
    if (messages > 0) this.#sender.send(this.#udpFd, messages);
  }

  #receive(datagrams: number): void {
    const inits = this.#channel.room(INIT_QUEUE);
    this.#core.exports.gatewayReceive(datagrams, inits, this.#channel.room(SESSION_QUEUE));
    this.#io.writeDevice(this.#tunFd);
    if (this.#io.hasIke) this.#reportIke();
    this.#reportEvents();
  }

  #reportIke(): void {
    for (const { slot, datagram } of this.#io.ikeMessages()) {
      const from = readSockaddr(this.#core.view, RX_NAMES + slot * NAME_SIZE);
      const begins = new DataView(datagram.buffer).getBigUint64(RESPONDER_SPI) === 0n;
      const queue = begins ? INIT_QUEUE : SESSION_QUEUE;
      // The core has kept to the credit, so there is room.
      this.#channel.postTo(queue, { type: 'ike', queue, from, datagram }, [datagram.buffer]);
    }
  }

  #reportEvents(): void {
    const { view } = this.#core;
    const events = view.getUint32(RESULT_EVENTS, true);
    for (let i = 0; i < events; i++) {
      const event = EVENTS + i * EVENT_SIZE;
      if (view.getUint32(event, true) !== EVENT_PEER_MOVED) continue;
      const peer = view.getUint32(event + 4, true);
      const report: GatewayReport = { type: 'peer-moved', peer, remote: readSockaddr(view, event + 16) };
      if (!this.#channel.postTo(EVENT_QUEUE, report)) this.#io.count(DROP_RX_CONTROL_FULL, 1);
    }
  }

  // --- Commands -----------------------------------------------------------------------------------------------

  #carryOut(command: Exclude<GatewayCommand, StopCommand>): void {
    const { exports } = this.#core;
    switch (command.type) {
      case 'install-child':
      case 'send-on':
      case 'remove-child':
        carryOutForChild(this.#core, command, (peer, outbound) =>
          check('gatewayPeerSend', exports.gatewayPeerSend(peer, outbound)),
        );
        return;
      case 'add-peer':
        this.#writeName(command.remote);
        check('gatewayPeerInstall', exports.gatewayPeerInstall(command.peer, packetAddress(command.address)));
        return;
      case 'move-peer':
        this.#writeName(command.remote);
        check('gatewayPeerMove', exports.gatewayPeerMove(command.peer));
        return;
      case 'remove-peer':
        check('gatewayPeerRemove', exports.gatewayPeerRemove(command.peer));
        return;
      case 'activity':
        this.#channel.post({
          type: 'activity',
          request: command.request,
          activity: command.peers.map(peer => [peer, this.#received(peer)]),
        });
        return;
    }
  }

  #writeName(remote: Endpoint): void {
    this.#core.bytes.fill(0, SCRATCH, SCRATCH + NAME_SIZE);
    this.#core.bytes.set(sockaddrBytes(remote), SCRATCH);
  }

  #received(peer: number): number {
    return Number(this.#core.view.getBigUint64(PEERS + peer * PEER_SIZE + PEER_RECEIVED, true));
  }
}

function check(call: string, status: number): void {
  if (status !== OK) throw new VpnrError('INTERNAL', `${call} of the packet core returned ${status}`);
}
