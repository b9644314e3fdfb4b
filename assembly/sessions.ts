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
  RULE_SIZE,
  RULES_MAX,
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
import { now } from './clock';
import { windowComplete, windowHighest, windowPreload, windowReset } from './duplicate';
import { flowMatches } from './flows';
import { poolContains, poolEntry } from './pool';
import { stateHighest } from './receive_state';
import { RING_SIZE, ringClear } from './ring';
import { ringBegin } from './ring_resend';

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
/** u64 sequence number of the last packet sent before the epoch was raised; u32, one more than the epoch for which the
 * client has been sent what it lacks (and ANSWERED_AGAIN), or zero; u32, whether that epoch's path was the second one before. */
const SENT_BEFORE: usize = 112;
const ANSWERED: usize = 120;
const ANSWERED_AGAIN: u32 = 0x20000;
const WAS_SECOND: usize = 124;
/** u64, other paths as in PATH, or zero: the second one, and the one last heard besides. */
const SECOND: usize = 128;
const STANDBY: usize = 136;
/** u64 sequence number of the probe that told the second path. */
const SECOND_SEQUENCE: usize = 144;
/** u64, the number up to which nothing from the client is missing. */
const COMPLETE: usize = 152;
/** u32 time when the client was last heard over its path; u32 time, odd, when first something was sent since, or zero. */
const HEARD: usize = 160;
const ASKED: usize = 164;
/** u32 time of the last RELAY_SUSPECT; u32, whether what is sent is kept. */
const SUSPECTED: usize = 168;
const REPLAYS: usize = 172;
/** u32, the next session that is being resent to, and whether this one is. */
const NEXT_RESENDING: usize = 176;
const RESENDING: usize = 180;
/** RING_SIZE bytes. */
const RING: usize = 192;
/** u32 number of flow rules; RULES_MAX rules. */
const RULE_COUNT: usize = 256;
const RULES: usize = 260;

if (<u32>RULES + RULES_MAX * RULE_SIZE > <u32>SESSION_SIZE) ERROR('the rules do not fit in a session record');
if (<u32>RING + RING_SIZE > <u32>RULE_COUNT) ERROR('the ring does not fit in a session record');

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

/** The client is reached there. With another epoch it says again which path is the second. */
export function sessionMove(session: usize, path: u64, epoch: u32): void {
  if (epoch !== load<u32>(session, EPOCH)) {
    store<u64>(session, load<u64>(session, SENT), SENT_BEFORE);
    store<u32>(session, path === load<u64>(session, SECOND), WAS_SECOND);
    store<u64>(session, 0, SECOND);
    store<u64>(session, 0, STANDBY);
    store<u32>(session, 0, ASKED);
  }
  store<u64>(session, path, PATH);
  store<u32>(session, epoch, EPOCH);
}

// --- Hearing and being heard ---

/** The client was heard over its path. */
export function sessionHear(session: usize): void {
  store<u32>(session, now, HEARD);
  store<u32>(session, 0, ASKED);
}

/** How long ago, in ms, that was. */
export function sessionHeardAgo(session: usize): u32 {
  return now - load<u32>(session, HEARD);
}

/** Something is sent to the client: for how long, in ms, that has been so without its being heard. */
export function sessionAsk(session: usize): u32 {
  const asked = load<u32>(session, ASKED);
  if (asked !== 0) return max<i32>(now - asked, 0);
  store<u32>(session, now | 1, ASKED);
  return 0;
}

/** Whether the client was told so before in the last `ms`; if not, it is now. */
export function sessionSuspectedWithin(session: usize, ms: u32): bool {
  const told = load<u32>(session, SUSPECTED);
  if (told !== 0 && now - told < ms) return true;
  store<u32>(session, now | 1, SUSPECTED);
  return false;
}

/** A path other than the active one over which the client was heard, or zero. */
export function sessionStandby(session: usize): u64 {
  return load<u64>(session, STANDBY);
}

export function sessionSetStandby(session: usize, path: u64): void {
  store<u64>(session, path, STANDBY);
}

// --- The second path ---

/** The second path, or zero. */
export function sessionSecond(session: usize): u64 {
  return load<u64>(session, SECOND);
}

/** The probe `sequence` says that `path` (zero: none) is the second one, for the flows of `count` rules at `rules`. */
export function sessionSetSecond(session: usize, path: u64, sequence: u64, rules: usize, count: u32): void {
  if (sequence <= load<u64>(session, SECOND_SEQUENCE)) return;
  store<u64>(session, sequence, SECOND_SEQUENCE);
  store<u64>(session, path, SECOND);
  store<u32>(session, count, RULE_COUNT);
  memory.copy(session + RULES, rules, count * RULE_SIZE);
}

/** Whether the IPv4 packet is of a flow for two paths. */
export function sessionChooses(session: usize, p: usize, length: u32): bool {
  return flowMatches(session + RULES, load<u32>(session, RULE_COUNT), p, length);
}

// --- What is kept, and sent again ---

export function sessionRing(session: usize): usize {
  return session + RING;
}

/** Whether what is sent to the client is kept. */
export function sessionReplays(session: usize): bool {
  return load<u32>(session, REPLAYS) !== 0;
}

export function sessionSetReplays(session: usize, replays: bool): void {
  if (load<u32>(session, REPLAYS) === <u32>replays) return;
  store<u32>(session, replays, REPLAYS);
  if (!replays) ringClear(session + RING);
}

/** The number up to which nothing from the client is missing. */
export function sessionComplete(session: usize): u64 {
  const complete = windowComplete(sessionWindow(session), DUPLICATE_WINDOW, load<u64>(session, COMPLETE));
  store<u64>(session, complete, COMPLETE);
  return complete;
}

export function sessionSent(session: usize): u64 {
  return load<u64>(session, SENT);
}

/**
 * Whether the client has not yet been sent what it lacked when it took the present path, or `isAgain`: what it lacked after
 * that; from now on it has.
 */
export function sessionAnswers(session: usize, isAgain: bool): bool {
  const first = sessionEpoch(session) + 1;
  const answered = load<u32>(session, ANSWERED);
  if (answered === (first | ANSWERED_AGAIN) || (answered === first && !isAgain)) return false;
  store<u32>(session, isAgain ? first | ANSWERED_AGAIN : first, ANSWERED);
  return true;
}

/** The sessions that are being resent to: a list, in order. */
let firstResending: usize = 0;
let lastResending: usize = 0;

/** Begins to send again what the probe's body of `length` bytes at `body` lacks; `isAgain` as for sessionAnswers. */
export function sessionResend(session: usize, body: usize, length: u32, isAgain: bool): void {
  const before = load<u64>(session, SENT_BEFORE);
  // What is below the highest that has arrived over the same path is not on its way any more.
  const until = isAgain ? max(before, min(stateHighest(body), sessionSent(session))) : before;
  const skipsSecond = !isAgain && load<u32>(session, WAS_SECOND) !== 0;
  ringBegin(session + RING, body, length, until, skipsSecond);
  if (load<u32>(session, RESENDING) !== 0) return;
  store<u32>(session, 1, RESENDING);
  store<u32>(session, 0, NEXT_RESENDING);
  if (lastResending !== 0) store<u32>(lastResending, <u32>session, NEXT_RESENDING);
  else firstResending = session;
  lastResending = session;
}

/** The first session of the list, or zero. */
export function sessionResending(): usize {
  return firstResending;
}

/** The session after this one in the list, or zero. */
export function sessionNextResending(session: usize): usize {
  return load<u32>(session, NEXT_RESENDING);
}

/** Takes the session off the list. */
export function sessionEndResend(session: usize): void {
  if (load<u32>(session, RESENDING) === 0) return;
  store<u32>(session, 0, RESENDING);
  const next: usize = load<u32>(session, NEXT_RESENDING);
  let before: usize = 0;
  for (let other = firstResending; other !== session; other = load<u32>(other, NEXT_RESENDING))
    before = other;
  if (before !== 0) store<u32>(before, <u32>next, NEXT_RESENDING);
  else firstResending = next;
  if (lastResending === session) lastResending = before;
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
  const window = sessionWindow(session);
  // A window that was never written to stays without memory.
  if (windowHighest(window) !== 0) windowReset(window, DUPLICATE_WINDOW);
  sessionEndResend(session);
  ringClear(session + RING);
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
