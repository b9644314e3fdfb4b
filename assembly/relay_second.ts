/**
 * What a relay sends besides a session's active path: copies of chosen flows over the second one, and, over any that it knows,
 * that it hears nothing from the client.
 */
import {
  COUNTER_SECOND_PACKETS,
  COUNTER_SUSPECTS,
  DATAGRAMS_MAX,
  NAME_SIZE,
  RELAY_SUSPECT,
  SECOND_LIST,
  SECOND_PACKETS,
} from '../src/packet/abi';
import { addMessage, datagramCount } from './batch';
import { count } from './counters';
import { protect, protectedLength } from './relay_probes';
import { sessionAsk, sessionSecond, sessionStandby, sessionSuspectedWithin } from './sessions';

/** A sockaddr_in to be copied; zero behind its first eight bytes. */
const NAME: usize = memory.data(NAME_SIZE, 16);
/** When the client, sent to and not heard, is told, and how often. A message takes SUSPICION_SIZE bytes. */
const SUSPECT_AFTER_MS: u32 = 100;
const SUSPECT_EVERY_MS: u32 = 100;
const SUSPICIONS_MAX: u32 = 64;
const SUSPICION_SIZE: u32 = 512;
const SUSPICION_HEADROOM: u32 = 64;

/** In this batch: messages for second paths, in SECOND_LIST; suspicions told. */
let seconds: u32 = 0;
let suspicions: u32 = 0;

/** Begins a batch. */
export function secondsRewind(): void {
  seconds = 0;
  suspicions = 0;
}

/** Makes a message of the relay packet of `length` bytes at `h`, over `path`. */
export function send(h: usize, length: u32, path: u64): void {
  store<u64>(NAME, path);
  addMessage(h, length, NAME);
}

/** Lists the relay packet for the second path too, if there is room for all that may come after it. */
export function secondsAdd(h: usize, length: u32, path: u64): bool {
  if (datagramCount() + seconds >= <u32>DATAGRAMS_MAX / 2) return false;
  const entry = SECOND_LIST + (seconds++ << 4);
  store<u32>(entry, <u32>h);
  store<u32>(entry, length, 4);
  store<u64>(entry, path, 8);
  return true;
}

/** Makes messages of what is in SECOND_LIST: behind all others, so that those can be sent together. */
export function secondsSend(): void {
  for (let i: u32 = 0; i < seconds && datagramCount() < <u32>DATAGRAMS_MAX; i++) {
    const entry = SECOND_LIST + (i << 4);
    send(load<u32>(entry), load<u32>(entry, 4), load<u64>(entry, 8));
    count(COUNTER_SECOND_PACKETS);
  }
}

/**
 * A packet was sent to the client. If that has been so for long without its being heard over its path, where it would probe,
 * tells it so over the other paths that are known: it may be that only what it sends is lost.
 */
export function suspectIfSilent(session: usize): void {
  const silentMs = sessionAsk(session);
  if (silentMs >= SUSPECT_AFTER_MS) suspect(session, silentMs);
}

function suspect(session: usize, silentMs: u32): void {
  const second = sessionSecond(session);
  const standby = sessionStandby(session);
  if ((second | standby) === 0 || suspicions >= SUSPICIONS_MAX) return;
  if (sessionSuspectedWithin(session, SUSPECT_EVERY_MS)) return;
  if (second !== 0) sendSuspicion(session, second, silentMs);
  if (standby !== 0 && standby !== second) sendSuspicion(session, standby, silentMs);
}

function sendSuspicion(session: usize, path: u64, silentMs: u32): void {
  const body = SECOND_PACKETS + suspicions++ * SUSPICION_SIZE + SUSPICION_HEADROOM;
  store<u32>(body, bswap<u32>(silentMs));
  send(protect(session, body, 4, RELAY_SUSPECT), protectedLength(session, 4), path);
  count(COUNTER_SUSPECTS);
}
