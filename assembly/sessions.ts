/**
 * The relay server's sessions: one record each, at the place that the session index's low bits say, with the
 * duplicate filter in a table of its own. The pool table leads from a leased address to its session.
 */
import {
  DUPLICATE_WINDOW,
  ERR_INDEX,
  ERR_STATE,
  OK,
  RELAY_MODE_CLEAR,
  RELAY_MODE_IPIP,
  RELAY_MODE_SEALED,
  RELAY_SEALED_KEY,
  SCRATCH,
  SESSION_INDEX_MASK,
  SESSION_INFO_EPOCH,
  SESSION_INFO_PATH,
  SESSION_INFO_RECEIVED,
  SESSION_KEYS,
  SESSION_SIZE,
  SESSION_WINDOW_SIZE,
  SESSION_WINDOWS,
  SESSIONS,
} from '../src/packet/abi';
import { windowPreload, windowReset } from './duplicate';
import { poolContains, poolEntry } from './pool';

// A session record, two cache lines. All zero: no session. What clear mode needs of one that receives is in the first.
/** u32 session index. */
const INDEX: usize = 0;
/** u32, a RELAY_MODE_. */
const MODE: usize = 4;
/** u32 leased IPv4 address, as it lies in packets. */
const LEASE: usize = 8;
/** u32 path epoch, below 65536. */
const EPOCH: usize = 12;
/** u64, the first eight bytes of a sockaddr_in: where the client is reached. Zero: not known yet. */
const PATH: usize = 16;
/** u64 sequence number of the last packet sent. */
const SENT: usize = 24;
/** u64 authentic packets received. */
const RECEIVED: usize = 32;
/** RELAY_SEALED_KEY bytes each: keys of the packets from the client, and to it. ChaCha20 needs no tables made of them. */
const RECEIVE_KEY: usize = 40;
const SEND_KEY: usize = RECEIVE_KEY + RELAY_SEALED_KEY;

/** Whether there has been a session in sealed mode: its receive key reaches into the record's second line. */
let hasSealed: bool = false;

/** The record of the session that leases an address, or zero. */
export function sessionOfLease(address: u32): usize {
  return poolContains(address) ? sessionOf(load<u32>(poolEntry(address))) : 0;
}

/** The record of the session with this index, or zero. */
export function sessionOf(index: u32): usize {
  const session = recordOf(index);
  return index !== 0 && load<u32>(session, INDEX) === index ? session : 0;
}

/** The record at a place of the table (the index's higher bits do not matter), or zero if there is no session. */
export function sessionAt(place: u32): usize {
  const session = recordOf(place);
  return load<u32>(session, INDEX) !== 0 ? session : 0;
}

function recordOf(index: u32): usize {
  return SESSIONS + (index & SESSION_INDEX_MASK) * SESSION_SIZE;
}

export function sessionIndex(session: usize): u32 {
  return load<u32>(session, INDEX);
}

export function sessionMode(session: usize): u32 {
  return load<u32>(session, MODE);
}

export function sessionLease(session: usize): u32 {
  return load<u32>(session, LEASE);
}

export function sessionEpoch(session: usize): u32 {
  return load<u32>(session, EPOCH);
}

/** Where the client is reached, the first eight bytes of a sockaddr_in, or zero. */
export function sessionPath(session: usize): u64 {
  return load<u64>(session, PATH);
}

/** The address in sessionPath, as it lies in packets. */
export function sessionPathAddress(session: usize): u32 {
  return load<u32>(session, PATH + 4);
}

export function sessionMove(session: usize, path: u64, epoch: u32): void {
  store<u64>(session, path, PATH);
  store<u32>(session, epoch, EPOCH);
}

/** Uses up the next sequence number. At a million packets per second u64 lasts 580,000 years. */
export function sessionNextSequence(session: usize): u64 {
  const sequence = load<u64>(session, SENT) + 1;
  store<u64>(session, sequence, SENT);
  return sequence;
}

export function sessionCountReceived(session: usize): void {
  store<u64>(session, load<u64>(session, RECEIVED) + 1, RECEIVED);
}

export function sessionReceiveKey(session: usize): usize {
  return session + RECEIVE_KEY;
}

export function sessionSendKey(session: usize): usize {
  return session + SEND_KEY;
}

/** The session's duplicate filter. */
export function sessionWindow(session: usize): usize {
  return SESSION_WINDOWS + <u32>((session - SESSIONS) / SESSION_SIZE) * SESSION_WINDOW_SIZE;
}

/** Loads what a packet from the client with this index and sequence number will need; returns a meaningless number. */
export function sessionPreload(index: u32, sequence: u64): u64 {
  const session = recordOf(index);
  const second = hasSealed ? load<u64>(session, SEND_KEY) : 0;
  return load<u64>(session) + second + windowPreload(sessionWindow(session), DUPLICATE_WINDOW, sequence);
}

/** The same for a packet to the client that leases an address, whatever that is. */
export function sessionPreloadLease(address: u32): u64 {
  if (!poolContains(address)) return 0;
  const session = recordOf(load<u32>(poolEntry(address)));
  return load<u64>(session) + load<u64>(session, SEND_KEY);
}

/**
 * Installs a session; one of the same index is replaced, and all of it starts anew, with other keys. `lease` as it lies in
 * packets. Reads and wipes SESSION_KEYS bytes at SCRATCH. Returns OK; ERR_INDEX for an index of zero, an unknown mode or a
 * lease outside the pool; ERR_STATE if the place or the lease is another's.
 */
export function relaySessionInstall(index: u32, mode: u32, lease: u32): i32 {
  const status = install(index, mode, lease);
  memory.fill(SCRATCH, 0, SESSION_KEYS);
  return status;
}

function install(index: u32, mode: u32, lease: u32): i32 {
  if (mode !== RELAY_MODE_CLEAR && mode !== RELAY_MODE_IPIP && mode !== RELAY_MODE_SEALED) return ERR_INDEX;
  if (index === 0 || !poolContains(lease)) return ERR_INDEX;
  const session = recordOf(index);
  const occupant = load<u32>(session, INDEX);
  if (occupant !== 0 && occupant !== index) return ERR_STATE;
  const holder = load<u32>(poolEntry(lease));
  if (holder !== 0 && holder !== index) return ERR_STATE;
  relaySessionRemove(index);
  store<u32>(session, index, INDEX);
  store<u32>(session, mode, MODE);
  hasSealed = hasSealed || mode === RELAY_MODE_SEALED;
  store<u32>(session, lease, LEASE);
  memory.copy(session + RECEIVE_KEY, SCRATCH, RELAY_SEALED_KEY);
  memory.copy(session + SEND_KEY, SCRATCH + RELAY_SEALED_KEY, RELAY_SEALED_KEY);
  store<u32>(poolEntry(lease), index);
  return OK;
}

/** Removes a session and wipes its keys. Returns OK, or ERR_INDEX if there is none of this index. */
export function relaySessionRemove(index: u32): i32 {
  const session = sessionOf(index);
  if (session === 0) return ERR_INDEX;
  store<u32>(poolEntry(sessionLease(session)), 0);
  windowReset(sessionWindow(session), DUPLICATE_WINDOW);
  memory.fill(session, 0, SESSION_SIZE);
  return OK;
}

/** Writes what SESSION_INFO_ says to SCRATCH. Returns OK, or ERR_INDEX if there is no session of this index. */
export function relaySessionInfo(index: u32): i32 {
  const session = sessionOf(index);
  if (session === 0) return ERR_INDEX;
  store<u64>(SESSION_INFO_RECEIVED, load<u64>(session, RECEIVED));
  store<u64>(SESSION_INFO_EPOCH, sessionEpoch(session));
  store<u64>(SESSION_INFO_PATH, sessionPath(session));
  store<u64>(SESSION_INFO_PATH + 8, 0);
  return OK;
}
