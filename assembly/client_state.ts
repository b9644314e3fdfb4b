// A client's configuration: its addresses, its relay, its paths, and the calls that set them. Addresses are kept as
// they lie in packets.
import {
  ADDRESS_PATH,
  CLIENT_WINDOW,
  DIRECTION_OUT,
  ERR_INDEX,
  ERR_STATE,
  OK,
  PATH_MAX,
  RELAY_MODE_CLEAR,
  RELAY_MODE_IPIP,
  RELAY_MODE_NONE,
  RELAY_MODE_SEALED,
  RELAY_SEALED_KEY,
  SA_MAX,
  SCRATCH,
  SESSION_KEYS,
  SWITCH_NONE,
} from '../src/packet/abi';
import { batchInit } from './batch';
import { windowComplete, windowReset } from './duplicate';
import { relayWrap } from './relay';
import { RING_SIZE, ringClear } from './ring';
import { SA_LIVE, SA_PATH, SA_SPI, saPaths, saRecord } from './sa';

// --- Addresses: one of each family in a slot ------------------------------------------------------------------

const ADDRESS_SLOTS: u32 = ADDRESS_PATH + PATH_MAX;
const ADDRESS_SIZE: u32 = 16;
const addresses: usize = memory.data(ADDRESS_SLOTS * 2 * ADDRESS_SIZE, 16);

/** Where the slot's address of the family (4 or 6) is kept; all zero if there is none. */
export function addressAt(slot: u32, family: u32): usize {
  return addresses + (slot * 2 + (family === 6 ? 1 : 0)) * ADDRESS_SIZE;
}

/** Whether the slot has the address (4 or 16 bytes, by family) at `address`. */
export function hasAddress(slot: u32, family: u32, address: usize): bool {
  const known = addressAt(slot, family);
  if (family === 4) return load<u32>(known) !== 0 && load<u32>(known) === load<u32>(address);
  const low = load<u64>(known);
  const high = load<u64>(known, 8);
  return (low | high) !== 0 && low === load<u64>(address) && high === load<u64>(address, 8);
}

/** Whether the slot has any address of the family. */
export function isAssigned(slot: u32, family: u32): bool {
  const known = addressAt(slot, family);
  return (load<u64>(known) | load<u64>(known, 8)) !== 0;
}

/** Sets the slot's address of a family to the 4 or 16 bytes at SCRATCH; all zero: none. */
export function clientAddress(slot: u32, family: u32): i32 {
  if (slot >= ADDRESS_SLOTS || (family !== 4 && family !== 6)) return ERR_INDEX;
  const known = addressAt(slot, family);
  memory.fill(known, 0, ADDRESS_SIZE);
  memory.copy(known, SCRATCH, family === 4 ? 4 : ADDRESS_SIZE);
  return OK;
}

// --- Relay ----------------------------------------------------------------------------------------------------

/** The relay's IPv4 address as it lies in packets, zero without a relay; its port in host order. */
export let relayAddress: u32 = 0;
export let relayPort: u32 = 0;
/** RELAY_MODE_NONE until a session is bound. */
export let relayMode: u32 = RELAY_MODE_NONE;
export let clientPort: u32 = 0;
export let sessionIndex: u32 = 0;
/** Four bytes: the session's address. */
export const lease: usize = memory.data(4, 4);
/** Keys as the mode needs them, RELAY_SEALED_KEY bytes at most. */
export const sendKey: usize = memory.data(RELAY_SEALED_KEY, 16);
export const receiveKey: usize = memory.data(RELAY_SEALED_KEY, 16);
/** Of the relay's sequence numbers; windowSize(CLIENT_WINDOW) bytes. */
export const relayWindow: usize = memory.data(8 + CLIENT_WINDOW / 8, 8);
/** What was sent to the relay and may have to be sent again. */
export const ring: usize = memory.data(RING_SIZE, 16);
/** Sequence number of the last packet to the relay, zero if there was none. */
export let lastRelaySequence: u64 = 0;
let complete: u64 = 0;
/** The relay that has these keys had ended before this number was used; zero: it is not known to have ended. */
export let goneFrom: u64 = 0;

/** The sequence number for the next packet to the relay. 64 bits do not run out. */
export function nextRelaySequence(): u64 {
  return ++lastRelaySequence;
}

/** The relay has ended, as its control connection tells: it delivers nothing that is sent from now on. Or it has not after all. */
export function clientRelayGone(isGone: bool): void {
  if (!isGone) goneFrom = 0;
  else if (goneFrom === 0) goneFrom = lastRelaySequence + 1;
}

/** The relay has answered: if it has ended, then later than it seemed. */
export function relayAnswered(): void {
  if (goneFrom !== 0) goneFrom = lastRelaySequence + 1;
}

/** The relay's number up to which none is missing here. */
export function relayComplete(): u64 {
  complete = windowComplete(relayWindow, CLIENT_WINDOW, complete);
  return complete;
}

/** Puts the outer headers in front of the relay packet of `length` bytes at `h`, from the path. Returns the new start. */
export function wrapForRelay(h: usize, length: u32, path: u32): usize {
  const source = load<u32>(addressAt(ADDRESS_PATH + path, 4));
  return relayWrap(h, length, source, relayAddress, clientPort, relayPort);
}

/** Names the relay (IPv4, as a number in host order; zero: none). If it is another one, the session ends. */
export function clientRelay(address: u32, port: u32): void {
  if (relayAddress === bswap<u32>(address) && relayPort === port) return;
  clientUnbind();
  relayAddress = bswap<u32>(address);
  relayPort = port;
}

/**
 * Binds the session that the relay granted. `leased`: its IPv4 address as a number. The keys are SESSION_KEYS bytes at
 * SCRATCH, which are wiped. Sequence numbers begin with one, so no key is ever bound twice.
 */
export function clientBind(mode: u32, port: u32, session: u32, leased: u32): i32 {
  ringClear(ring);
  return bindKeeping(mode, port, session, leased);
}

/** As clientBind; but the ring stays as it is, with packets under the keys and numbers of before. */
export function bindKeeping(mode: u32, port: u32, session: u32, leased: u32): i32 {
  forgetSession();
  const isMode = mode === RELAY_MODE_CLEAR || mode === RELAY_MODE_IPIP || mode === RELAY_MODE_SEALED;
  const valid = relayAddress !== 0 && isMode;
  if (valid) {
    memory.copy(sendKey, SCRATCH, RELAY_SEALED_KEY);
    memory.copy(receiveKey, SCRATCH + RELAY_SEALED_KEY, RELAY_SEALED_KEY);
    store<u32>(lease, bswap<u32>(leased));
    clientPort = port;
    sessionIndex = session;
    relayMode = mode;
  }
  memory.fill(SCRATCH, 0, SESSION_KEYS);
  return valid ? OK : ERR_STATE;
}

/** Forgets the session and wipes its keys; the relay's address stays. */
export function clientUnbind(): void {
  forgetSession();
  ringClear(ring);
}

function forgetSession(): void {
  relayMode = RELAY_MODE_NONE;
  memory.fill(sendKey, 0, RELAY_SEALED_KEY);
  memory.fill(receiveKey, 0, RELAY_SEALED_KEY);
  store<u32>(lease, 0);
  windowReset(relayWindow, CLIENT_WINDOW);
  lastRelaySequence = 0;
  complete = 0;
  goneFrom = 0;
  secondIsKnown = false;
  switchState = SWITCH_NONE;
}

// --- Paths ----------------------------------------------------------------------------------------------------

/** For each path the outbound association given to it: i32 index, -1 for none, and u32 SPI. */
const outbound: usize = memory.data(PATH_MAX * 8, 8);
/** u32 for each path: IKE datagrams that may still be handed over. */
const credits: usize = memory.data(PATH_MAX * 4, 4);
/** The path that device packets take, -1 for none. */
export let activePath: i32 = -1;
export let pathEpoch: u32 = 0;
export let maxSegment: u32 = 0xffff;

/**
 * The association to send on over the path; 0 if there is none. One that has been removed since does not come back
 * when another takes its place in the table.
 */
export function pathAssociation(path: u32): usize {
  const entry = outbound + (path << 3);
  const index = load<i32>(entry);
  if (index < 0) return 0;
  const sa = saRecord(DIRECTION_OUT, index);
  return isOfPath(sa, path) && load<u32>(sa, SA_SPI) === load<u32>(entry, 4) ? sa : 0;
}

function isOfPath(sa: usize, path: u32): bool {
  return load<u32>(sa, SA_LIVE) !== 0 && load<u32>(sa, SA_PATH) === path;
}

/** Sends on this outbound association over the path from now on; -1, or one that is not the path's: on none. */
export function clientPath(path: u32, index: i32): i32 {
  if (path >= <u32>PATH_MAX || index >= SA_MAX) return ERR_INDEX;
  const entry = outbound + (path << 3);
  store<i32>(entry, -1);
  if (index < 0) return OK;
  const sa = saRecord(DIRECTION_OUT, index);
  if (!isOfPath(sa, path)) return ERR_STATE;
  store<i32>(entry, index);
  store<u32>(entry, load<u32>(sa, SA_SPI), 4);
  return OK;
}

/** The path that chosen packets take too, -1 for none, and whether the relay has confirmed that it knows it as that. */
export let secondPath: i32 = -1;
export let secondIsKnown: bool = false;
/** Where the change to the active path is, a SWITCH_ constant. */
export let switchState: u32 = SWITCH_NONE;

export function setSecond(path: i32, isKnown: bool): void {
  secondPath = path;
  secondIsKnown = isKnown;
}

export function setSwitchState(state: u32): void {
  switchState = state;
}

/** Sets the path and epoch (u16) of device packets; -1: no path, which leaves the epoch as it is. */
export function setActive(path: i32, epoch: u32): void {
  activePath = path;
  if (path >= 0) pathEpoch = epoch & 0xffff;
}

/** The largest MSS that TCP may announce through the tunnel over IPv4; for IPv6 20 bytes less are used. */
export function clientMaxSegment(bytes: u32): void {
  maxSegment = bytes;
}

/** How many IKE datagrams from the path's socket may be handed over from now on; those beyond are dropped. */
export function clientCredit(path: u32, datagrams: u32): i32 {
  if (path >= <u32>PATH_MAX) return ERR_INDEX;
  store<u32>(credits + (path << 2), datagrams);
  return OK;
}

/** Uses up one IKE datagram of the path's credit; false if there is none left. */
export function takeCredit(path: u32): bool {
  const at = credits + (path << 2);
  const left = load<u32>(at);
  if (left === 0) return false;
  store<u32>(at, left - 1);
  return true;
}

/** Starts without addresses, relay and paths. `baseLow` and `baseHigh`: address of the memory in the process. */
export function clientInit(baseLow: u32, baseHigh: u32): void {
  batchInit(baseLow, baseHigh);
  saPaths(PATH_MAX);
  memory.fill(addresses, 0, ADDRESS_SLOTS * 2 * ADDRESS_SIZE);
  memory.fill(outbound, 0xff, PATH_MAX * 8);
  memory.fill(credits, 0, PATH_MAX * 4);
  clientRelay(0, 0);
  clientUnbind();
  activePath = -1;
  pathEpoch = 0;
  secondPath = -1;
  maxSegment = 0xffff;
}
