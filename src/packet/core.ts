import { setFlagsFromString } from 'node:v8';
import { addressBytes, ipv4Number } from '../address.js';
import { readAsset } from '../assets.js';
import { VpnrError } from '../errors.js';
import {
  ACTIVATE_ALIVE,
  ACTIVATE_FAILED,
  ACTIVATE_PLAIN,
  ADDRESS_CONTROL,
  ADDRESS_DEVICE,
  ADDRESS_PATH,
  COUNTERS,
  DIRECTION_IN,
  DIRECTION_OUT,
  DUPLICATE_WINDOW,
  MEMORY_BYTES,
  OK,
  RELAY_KEY,
  RELAY_MODE_CLEAR,
  RELAY_MODE_IPIP,
  RELAY_MODE_SEALED,
  RELAY_SEALED_KEY,
  RULE_ANY_DSCP,
  RULE_ANY_PORT,
  RULE_ANY_PROTOCOL,
  RULE_SIZE,
  SA_FLAG_ESN,
  SA_IN,
  SA_OUT,
  SA_RECORD_SIZE,
  SA_SEQUENCE,
  SCRATCH,
  SCRATCH_RECEIVED,
  SCRATCH_SELECTORS,
  SELECTOR_SIZE,
  SELECTORS_MAX,
  SUITE_AES_128_CBC_SHA256,
  SUITE_AES_128_GCM,
  SUITE_AES_256_CBC_SHA256,
  SUITE_AES_256_GCM,
  SUITE_CHACHA20_POLY1305,
} from './abi.js';
import { counterIndices } from './counters.js';
import type { CoreExports } from './exports.js';

const SUITES = {
  chacha20poly1305: { code: SUITE_CHACHA20_POLY1305, keyBytes: 36 },
  aes256gcm16: { code: SUITE_AES_256_GCM, keyBytes: 36 },
  aes128gcm16: { code: SUITE_AES_128_GCM, keyBytes: 20 },
  'aes256-sha256': { code: SUITE_AES_256_CBC_SHA256, keyBytes: 64 },
  'aes128-sha256': { code: SUITE_AES_128_CBC_SHA256, keyBytes: 48 },
} as const;

export const RELAY_MODES = {
  clear: RELAY_MODE_CLEAR,
  sealed: RELAY_MODE_SEALED,
  ipip: RELAY_MODE_IPIP,
} as const;

const ACTIVATIONS = { plain: ACTIVATE_PLAIN, failed: ACTIVATE_FAILED, alive: ACTIVATE_ALIVE } as const;

/** How a path becomes the active one: see `assembly/client_switch.ts`. */
export type Activation = keyof typeof ACTIVATIONS;

export type Direction = 'in' | 'out';

/** Packets of an IP protocol, with this port at either end, of this differentiated services class; absent: any. */
export interface FlowRule {
  protocol?: number;
  port?: number;
  dscp?: number;
}

/** Addresses in text form, both inclusive. Protocol 0 is any. */
export interface Selector {
  family: 4 | 6;
  protocol: number;
  firstPort: number;
  lastPort: number;
  first: string;
  last: string;
}

export interface SaParameters {
  direction: Direction;
  /** Place in the direction's table; inbound the SPI's low bits. */
  index: number;
  spi: number;
  suite: keyof typeof SUITES;
  /** The client's path, or the gateway's peer, that the association belongs to. */
  path: number;
  /** Key and salt, or both keys, as they come from KEYMAT. Not kept; the caller wipes them. */
  key: Uint8Array;
  local: readonly Selector[];
  remote: readonly Selector[];
  /** Extended sequence numbers. */
  esn?: boolean;
}

export interface SessionParameters {
  mode: keyof typeof RELAY_MODES;
  /** The client's UDP port inside the tunnel. */
  clientPort: number;
  sessionIndex: number;
  lease: string;
  /** See `writeSessionKeys`. */
  sendKey: Uint8Array;
  receiveKey: Uint8Array;
}

let compiled: WebAssembly.Module | undefined;

/**
 * Compiles WebAssembly with relaxed SIMD, which is part of the standard now but needs a flag in the V8 of Node 20. The flag is
 * the whole process's and stays: another thread may be about to compile.
 */
export function compileWasm(bytes: Uint8Array): WebAssembly.Module {
  if (!WebAssembly.validate(bytes)) setFlagsFromString('--experimental-wasm-relaxed-simd');
  return new WebAssembly.Module(bytes);
}

/** One instance of the packet core. Hot calls go to `exports` directly; what is rare has a method here. */
export class PacketCore {
  readonly exports: CoreExports;
  /** All of the memory, which never moves or grows. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  #offloads = 0;

  constructor() {
    compiled ??= compileWasm(readAsset('core.wasm'));
    const instance = new WebAssembly.Instance(compiled, {});
    this.exports = instance.exports as unknown as CoreExports;
    const { buffer } = this.exports.memory;
    if (buffer.byteLength !== MEMORY_BYTES) {
      throw new VpnrError('INTERNAL', `the packet core has ${buffer.byteLength} bytes of memory`);
    }
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  /** Prepares for a client. `base`: the address of the memory in this process, for the system calls. */
  initClient(base: bigint): void {
    this.exports.clientInit(Number(base & 0xffff_ffffn), Number(base >> 32n));
  }

  /** The OFFLOAD_ bits in use. */
  get offloads(): number {
    return this.#offloads;
  }

  /** After the role's initialisation, which uses none. */
  useOffloads(bits: number): void {
    this.exports.batchOffloads(bits);
    this.#offloads = bits;
  }

  /** Throws TS_UNACCEPTABLE if there are more selectors than the core keeps. */
  installSa(sa: SaParameters): void {
    const suite = SUITES[sa.suite];
    if (sa.key.length !== suite.keyBytes) {
      throw new RangeError(`${sa.suite} takes ${suite.keyBytes} bytes of keys, not ${sa.key.length}`);
    }
    if (Math.max(sa.local.length, sa.remote.length) > SELECTORS_MAX) {
      throw new VpnrError('TS_UNACCEPTABLE', `the gateway sent more than ${SELECTORS_MAX} traffic selectors`);
    }
    let at = SCRATCH + SCRATCH_SELECTORS;
    this.view.setUint32(at, sa.local.length, true);
    this.view.setUint32(at + 4, sa.remote.length, true);
    at += 8;
    for (const selector of [...sa.local, ...sa.remote]) {
      this.#writeSelector(at, selector);
      at += SELECTOR_SIZE;
    }
    this.bytes.set(sa.key, SCRATCH);
    const flags = sa.esn === true ? SA_FLAG_ESN : 0;
    check(
      'saInstall',
      this.exports.saInstall(directionCode(sa.direction), sa.index, sa.spi, suite.code, sa.path, flags),
    );
  }

  /** Wipes the keys. Removing what is not there is no error. */
  removeSa(direction: Direction, index: number): void {
    check('saRemove', this.exports.saRemove(directionCode(direction), index));
  }

  /** The last sequence number sent, or the highest one accepted. */
  saSequence(direction: Direction, index: number): bigint {
    const table = direction === 'in' ? SA_IN : SA_OUT;
    return this.view.getBigUint64(table + index * SA_RECORD_SIZE + SA_SEQUENCE, true);
  }

  /** The device's addresses, at most one of each family. Those given before are forgotten. */
  setDeviceAddresses(...addresses: string[]): void {
    this.#setAddresses(ADDRESS_DEVICE, addresses);
  }

  /** The source of the relay's control connection. */
  setControlAddresses(...addresses: string[]): void {
    this.#setAddresses(ADDRESS_CONTROL, addresses);
  }

  /** What the path's gateway assigned, at most one address of each family. */
  setVirtualAddresses(path: number, ...addresses: string[]): void {
    this.#setAddresses(ADDRESS_PATH + path, addresses);
  }

  /** The largest MSS that TCP may announce over IPv4; over IPv6 20 bytes less are used. */
  setMaxSegment(bytes: number): void {
    this.exports.clientMaxSegment(bytes);
  }

  /** Names the relay, or none. If it is another one, the session ends. */
  setRelay(relay?: { address: string; port: number }): void {
    if (relay === undefined) this.exports.clientRelay(0, 0);
    else this.exports.clientRelay(ipv4Number(relay.address), relay.port);
  }

  /** Binds a session with the relay named before. */
  bindRelay(session: SessionParameters): void {
    const { mode, clientPort, sessionIndex, lease } = session;
    this.writeSessionKeys(mode, session.sendKey, session.receiveKey);
    check(
      'clientBind',
      this.exports.clientBind(RELAY_MODES[mode], clientPort, sessionIndex, ipv4Number(lease)),
    );
  }

  /**
   * Binds the session that is bound anew, as its relay was started anew, and sends again what that of before had not received. `received`:
   * its receive state, a probe's body; absent: it told nothing.
   */
  rebindRelay(session: SessionParameters, received: Uint8Array = new Uint8Array()): void {
    const { mode, clientPort, sessionIndex, lease } = session;
    this.bytes.set(received, SCRATCH + SCRATCH_RECEIVED);
    this.writeSessionKeys(mode, session.sendKey, session.receiveKey);
    const { clientRebind } = this.exports;
    const code = RELAY_MODES[mode];
    check('clientRebind', clientRebind(code, clientPort, sessionIndex, ipv4Number(lease), received.length));
  }

  /**
   * Puts a session's keys where clientBind and relaySessionInstall read and wipe them: RELAY_KEY bytes each, or
   * RELAY_SEALED_KEY in sealed mode. Not kept; the caller wipes them.
   */
  writeSessionKeys(mode: keyof typeof RELAY_MODES, toRelay: Uint8Array, toClient: Uint8Array): void {
    const size = mode === 'sealed' ? RELAY_SEALED_KEY : RELAY_KEY;
    if (toRelay.length !== size || toClient.length !== size) {
      throw new RangeError(`the keys of a session in ${mode} mode have ${size} bytes`);
    }
    this.bytes.set(toRelay, SCRATCH);
    this.bytes.set(toClient, SCRATCH + RELAY_SEALED_KEY);
  }

  /** Sends on this outbound association over the path from now on. Undefined: on none. */
  setPath(path: number, saIndex: number | undefined): void {
    check('clientPath', this.exports.clientPath(path, saIndex ?? -1));
  }

  /** Sends device packets over this path from now on, under this epoch (u16). Undefined: drops them. */
  activate(path: number | undefined, epoch: number, how: Activation = 'plain'): void {
    check('clientActivate', this.exports.clientActivate(path ?? -1, epoch, ACTIVATIONS[how]));
  }

  /** Keeps up to `bytes` of what is sent to the relay, for `ageMs`. */
  setReplay(bytes: number, ageMs: number): void {
    this.exports.clientReplay(bytes, ageMs, DUPLICATE_WINDOW);
  }

  /** Sends packets of flows that one of the rules is for, or all if there is none, over the second path too. */
  setFlows(rules: readonly FlowRule[]): void {
    rules.forEach(({ protocol, dscp, port }, i) => {
      const at = SCRATCH + i * RULE_SIZE;
      this.view.setUint8(at, protocol ?? RULE_ANY_PROTOCOL);
      this.view.setUint8(at + 1, dscp ?? RULE_ANY_DSCP);
      this.view.setUint16(at + 2, port ?? RULE_ANY_PORT, true);
    });
    check('clientRules', this.exports.clientRules(rules.length));
  }

  /** Undefined: there is none. */
  setSecondPath(path: number | undefined): void {
    check('clientSecond', this.exports.clientSecond(path ?? -1));
  }

  /** Tells the core the time, in monotonic milliseconds. */
  setClock(ms: number): void {
    // Modulo 2^32.
    this.exports.clockSet(Math.floor(ms % 2 ** 32));
  }

  /** A snapshot of all counters by name. */
  counters(): Record<string, number> {
    const snapshot: Record<string, number> = {};
    for (const [name, index] of counterIndices) {
      snapshot[name] = Number(this.view.getBigUint64(COUNTERS + index * 8, true));
    }
    return snapshot;
  }

  #setAddresses(slot: number, addresses: readonly string[]): void {
    const bytes = addresses.map(addressBytes);
    for (const family of [4, 6]) {
      const ofFamily = bytes.filter(address => address.length === (family === 4 ? 4 : 16));
      if (ofFamily.length > 1) throw new VpnrError('INTERNAL', 'more than one address of a family');
      this.bytes.fill(0, SCRATCH, SCRATCH + 16);
      this.bytes.set(ofFamily[0] ?? [], SCRATCH);
      check('clientAddress', this.exports.clientAddress(slot, family));
    }
  }

  #writeSelector(at: number, selector: Selector): void {
    this.bytes.fill(0, at, at + SELECTOR_SIZE);
    this.view.setUint8(at, selector.family);
    this.view.setUint8(at + 1, selector.protocol);
    this.view.setUint16(at + 2, selector.firstPort, true);
    this.view.setUint16(at + 4, selector.lastPort, true);
    this.bytes.set(addressBytes(selector.first), at + 8);
    this.bytes.set(addressBytes(selector.last), at + 24);
  }
}

function directionCode(direction: Direction): number {
  return direction === 'in' ? DIRECTION_IN : DIRECTION_OUT;
}

function check(call: string, status: number): void {
  if (status !== OK) throw new VpnrError('INTERNAL', `${call} of the packet core returned ${status}`);
}
