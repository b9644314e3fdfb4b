/**
 * The packet core's exports as JavaScript sees them. Addresses and lengths are bytes in its memory; what an export
 * does stands at its definition in `assembly/`.
 */
export interface CoreExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** Where static data ends (assembly/layout.ts). */
  readonly staticEnd: { readonly value: number };

  // security associations (assembly/sa.ts)
  saInstall(
    direction: number,
    index: number,
    spi: number,
    suite: number,
    path: number,
    flags: number,
  ): number;
  saRemove(direction: number, index: number): number;

  // batches (assembly/batch.ts)
  batchOffloads(used: number): void;
  messageSplit(list: number, first: number, end: number, target: number): number;

  // time (assembly/clock.ts)
  clockSet(ms: number): void;

  // packets from and to the device (assembly/device_in.ts, device_out.ts)
  readonly deviceLength: { readonly value: number };
  deviceRewind(): void;
  deviceFirst(slot: number): number;
  deviceNext(): number;
  deviceClear(): void;
  addToDevice(p: number, length: number): void;
  deviceFlush(): void;

  // the client (assembly/client_*.ts)
  clientInit(baseLow: number, baseHigh: number): void;
  clientAddress(slot: number, family: number): number;
  clientMaxSegment(bytes: number): void;
  clientRelay(address: number, port: number): void;
  clientBind(mode: number, port: number, session: number, lease: number): number;
  clientRebind(mode: number, port: number, session: number, lease: number, received: number): number;
  clientRelayGone(isGone: boolean): void;
  clientUnbind(): void;
  clientPath(path: number, index: number): number;
  clientActivate(path: number, epoch: number, how: number): number;
  clientCredit(path: number, datagrams: number): number;
  clientTransmit(packets: number): number;
  clientReceive(path: number, datagrams: number): number;
  clientProbe(path: number, id: number, timeLow: number, timeHigh: number, quiet: boolean): number;
  clientSwitchProbe(timeLow: number, timeHigh: number): number;
  clientSwitchState(): number;
  clientSwitchGiveUp(): void;
  clientSwitchAgain(): void;
  clientResend(): number;
  clientReplay(bytes: number, ageMs: number, window: number): void;
  clientRules(count: number): number;
  clientSecond(path: number): number;

  // the gateway (assembly/gateway.ts, gateway_peers.ts)
  gatewayInit(
    baseLow: number,
    baseHigh: number,
    poolAddress: number,
    poolPrefix: number,
    segment: number,
  ): number;
  gatewayReceive(datagrams: number, inits: number, others: number): number;
  gatewayTransmit(packets: number): number;
  gatewayPeerInstall(index: number, address: number): number;
  gatewayPeerMove(index: number): number;
  gatewayPeerSend(index: number, association: number): number;
  gatewayPeerRemove(index: number): number;

  // ciphers (assembly/aead.ts, siphash.ts)
  aeadInstall(suite: number, context: number, key: number): number;
  aeadSeal(
    suite: number,
    context: number,
    iv: number,
    aad: number,
    aadLength: number,
    data: number,
    length: number,
  ): void;
  aeadFinish(): void;
  aeadOpen(
    suite: number,
    context: number,
    iv: number,
    aad: number,
    aadLength: number,
    data: number,
    length: number,
  ): number;
  aeadWipe(context: number): void;
  sipHash24(key: number, data: number, length: number): bigint;

  // ESP (assembly/esp.ts)
  espOpen(sa: number, esp: number, length: number): number;
  espSeal(sa: number, packet: number, length: number): number;

  // packets (assembly/checksum.ts, duplicate.ts, ip.ts, mss.ts, rewrite.ts)
  checksum(p: number, length: number): number;
  fold(sum: bigint): number;
  sumBytes(p: number, length: number, sum: bigint): bigint;
  sumPseudoHeader4(ip: number, protocol: number, length: number): bigint;
  sumPseudoHeader6(ip: number, protocol: number, length: number): bigint;
  updateChecksum(checksum: number, delta: number): number;
  windowAccept(w: number, bits: number, sequence: bigint): void;
  windowCheck(w: number, bits: number, sequence: bigint): number;
  windowComplete(w: number, bits: number, known: bigint): bigint;
  windowHas(w: number, bits: number, sequence: bigint): number;
  windowHighest(w: number): bigint;
  windowReset(w: number, bits: number): void;
  checkPacket(p: number, available: number): number;
  locateTransport(p: number, length: number): number;
  clampMss(p: number, length: number, maxSegment: number): void;
  rewriteDestination(p: number, length: number, newAddress: number): void;
  rewriteDestinationPort(p: number, length: number, port: number): void;
  rewriteSource(p: number, length: number, newAddress: number): void;
  rewriteSourcePort(p: number, length: number, port: number): void;

  // relay packets (assembly/relay.ts)
  epochIsNewer(a: number, b: number): number;
  ipipDecapsulate(p: number): number;
  ipipEncapsulate(p: number, length: number, source: number, destination: number): number;
  relayOpen(mode: number, h: number, length: number, key: number): number;
  relayProtect(
    mode: number,
    p: number,
    length: number,
    type: number,
    sessionIndex: number,
    epoch: number,
    sequence: bigint,
    key: number,
  ): number;
  relayWrap(
    h: number,
    length: number,
    outerSource: number,
    outerDestination: number,
    sourcePort: number,
    destinationPort: number,
  ): number;

  // the relay server (assembly/relay_server.ts, sessions.ts)
  relayInit(
    baseLow: number,
    baseHigh: number,
    poolAddress: number,
    poolPrefix: number,
    segment: number,
  ): number;
  relayReceive(datagrams: number): number;
  relayReceiveIpip(packets: number): number;
  relayTransmit(packets: number): number;
  relayDrain(first: number): number;
  relayReplay(bytes: number, sessionBytes: number, ageMs: number): void;
  relayResend(): number;
  relayIsResending(): number;
  relaySessionInstall(index: number, mode: number, lease: number): number;
  relaySessionRemove(index: number): number;
  relaySessionInfo(index: number): number;
  relaySessionReceived(index: number): number;
}
