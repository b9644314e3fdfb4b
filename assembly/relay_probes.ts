/**
 * What the relay makes of its clients' probes: it answers, learns what has arrived there, which path is the second one, and,
 * when a client has changed its path, sends again what was lost on the one before.
 */
import {
  BATCH,
  COUNTER_PROBE_REPLIES,
  COUNTER_REPLAYED,
  DROP_RELAY_SHORT,
  DUPLICATE_WINDOW,
  ERR_INDEX,
  NAME_SIZE,
  OK,
  PROBE_BITMAP,
  PROBE_BITMAP_MAX,
  PROBE_BITMAP_USUAL,
  PROBE_HEARD,
  RELAY_FLAG_AGAIN,
  RELAY_FLAG_HAS_SECOND,
  RELAY_FLAG_QUIET,
  RELAY_FLAG_REPLAY,
  RELAY_FLAG_SECOND,
  RELAY_FLAG_SWITCH,
  RELAY_MODE_IPIP,
  RELAY_PROBE_BODY,
  RELAY_PROBE_REPLY,
  RESULT_REPLIES,
  RULE_SIZE,
  RULES_MAX,
  SCRATCH,
  TX_MMSG,
} from '../src/packet/abi';
import {
  addMessage,
  clearMessages,
  datagramCount,
  messageCount,
  next,
  receiveName,
  setMessage,
} from './batch';
import { count } from './counters';
import { windowHighest } from './duplicate';
import { stateComplete, stateWrite } from './receive_state';
import { relayEpoch, relayFlags, relayHead, relayProtect, relaySequence, relayTail } from './relay';
import { ringAcknowledge, ringAcknowledgeAbove, ringPacket, ringPacketLength, ringsUsed } from './ring';
import { ringIsResending, ringNext, ringWasSent } from './ring_resend';
import {
  sessionAnswers,
  sessionComplete,
  sessionEndResend,
  sessionEpoch,
  sessionHeardAgo,
  sessionIndex,
  sessionMode,
  sessionNextResending,
  sessionNextSequence,
  sessionOf,
  sessionPath,
  sessionResend,
  sessionResending,
  sessionRing,
  sessionSendKey,
  sessionSent,
  sessionSetReplays,
  sessionSetSecond,
  sessionSetStandby,
  sessionWindow,
} from './sessions';

/** Packets that one call sends again for one session, so that each has its turn, and for all. */
const RESEND_SLICE: u32 = BATCH;
const RESEND_MAX: u32 = 16 * BATCH;

/** A sockaddr_in to be copied; zero behind its first eight bytes. */
const NAME: usize = memory.data(NAME_SIZE, 16);

/** Makes the session's next packet of the payload at `p`, in place; returns its address. `type` as for relayProtect. */
export function protect(session: usize, p: usize, length: u32, type: u32): usize {
  const sequence = sessionNextSequence(session);
  return relayProtect(
    sessionMode(session),
    p,
    length,
    type,
    sessionIndex(session),
    sessionEpoch(session),
    sequence,
    sessionSendKey(session),
  );
}

/** Bytes of the session's packet that carries `length` bytes. */
export function protectedLength(session: usize, length: u32): u32 {
  const mode = sessionMode(session);
  return relayHead(mode) + length + relayTail(mode);
}

/**
 * Handles the authentic probe with the header `h` and the body of `length` bytes at `body`, from datagram `i`; answers it in its
 * own place and with no more bytes. Returns why it was dropped, or zero.
 */
export function answerProbe(session: usize, i: u32, h: usize, body: usize, length: u32): u32 {
  if (length < <u32>RELAY_PROBE_BODY) return DROP_RELAY_SHORT;
  const flags = relayFlags(h);
  const isCurrent =
    load<u64>(receiveName(i)) === sessionPath(session) && relayEpoch(h) === sessionEpoch(session);
  let echoed = flags & RELAY_FLAG_QUIET;
  learn(session, i, h, body, length);
  if (isCurrent && (flags & RELAY_FLAG_SWITCH) !== 0) {
    echoed |= resend(session, flags, body, length);
  }
  if (!isCurrent && (flags & RELAY_FLAG_SECOND) !== 0 && learnSecond(session, i, h, body, length)) {
    echoed |= RELAY_FLAG_SECOND;
  }

  const complete = sessionComplete(session);
  const size = replyBody(echoed, length, windowHighest(sessionWindow(session)) !== complete);
  store<u32>(body, bswap<u32>(sessionHeardAgo(session)), PROBE_HEARD);
  stateWrite(body, size, sessionWindow(session), DUPLICATE_WINDOW, complete);
  const answer = protect(session, body, size, RELAY_PROBE_REPLY | (echoed << 8));
  const reply = next(RESULT_REPLIES);
  setMessage(TX_MMSG, reply, reply, answer, protectedLength(session, size), receiveName(i));
  count(COUNTER_PROBE_REPLIES);
  return 0;
}

/**
 * Writes what has been received of the session's client to SCRATCH, as the body of a probe with the longest bitmap. Returns OK, or
 * ERR_INDEX if there is no session of this index.
 */
export function relaySessionReceived(index: u32): i32 {
  const session = sessionOf(index);
  if (session === 0) return ERR_INDEX;
  const complete = sessionComplete(session);
  memory.fill(SCRATCH, 0, PROBE_BITMAP);
  stateWrite(SCRATCH, PROBE_BITMAP + PROBE_BITMAP_MAX, sessionWindow(session), DUPLICATE_WINDOW, complete);
  return OK;
}

/** Sends again what a client lacks that asks for it; the flags that say so. */
function resend(session: usize, flags: u32, body: usize, length: u32): u32 {
  const isAgain = (flags & RELAY_FLAG_AGAIN) !== 0;
  // What it lacks may be what is being sent: it asks once more.
  if (isAgain && ringIsResending(sessionRing(session))) return 0;
  if (sessionAnswers(session, isAgain)) sessionResend(session, body, length, isAgain);
  return flags & (RELAY_FLAG_SWITCH | RELAY_FLAG_AGAIN);
}

/** Bytes of the reply's body to a probe of `length`. `isMissing`: anything that was sent here. */
function replyBody(echoed: u32, length: u32, isMissing: bool): u32 {
  if ((echoed & RELAY_FLAG_SWITCH) !== 0) return min<u32>(length, PROBE_BITMAP + PROBE_BITMAP_MAX);
  if (!isMissing) return RELAY_PROBE_BODY;
  return min<u32>(length, PROBE_BITMAP + PROBE_BITMAP_USUAL);
}

/** What any probe tells. */
function learn(session: usize, i: u32, h: usize, body: usize, length: u32): void {
  const flags = relayFlags(h);
  const path = load<u64>(receiveName(i));
  const replays =
    (flags & RELAY_FLAG_REPLAY) !== 0 && ringsUsed() && sessionMode(session) !== RELAY_MODE_IPIP;
  sessionSetReplays(session, replays);
  // The client cannot have what was not sent.
  const ring = sessionRing(session);
  ringAcknowledge(ring, min(stateComplete(body), sessionSent(session)));
  if ((flags & RELAY_FLAG_SECOND) === 0) ringAcknowledgeAbove(ring, body, length);
  if (path !== sessionPath(session)) {
    if ((flags & RELAY_FLAG_SECOND) === 0) sessionSetStandby(session, path);
  } else if (relayEpoch(h) === sessionEpoch(session) && (flags & RELAY_FLAG_HAS_SECOND) === 0) {
    sessionSetSecond(session, 0, relaySequence(h), 0, 0);
  }
}

/** The probe says that its path is the second one. Whether that is so now. */
function learnSecond(session: usize, i: u32, h: usize, body: usize, length: u32): bool {
  const path = load<u64>(receiveName(i));
  const isOfNow = ((relayEpoch(h) + 1) & 0xffff) === sessionEpoch(session);
  if (!isOfNow || path === sessionPath(session)) return false;
  const told = body + RELAY_PROBE_BODY;
  if (length < <u32>RELAY_PROBE_BODY + 4) return false;
  const rules: u32 = load<u8>(told);
  if (rules > <u32>RULES_MAX || length < <u32>RELAY_PROBE_BODY + 4 + rules * RULE_SIZE) return false;
  sessionSetSecond(session, path, relaySequence(h), told + 4, rules);
  return true;
}

/**
 * Sends again what clients that changed their path have lacked, then what came from the device meanwhile. Returns the number
 * of messages in TX_MMSG; to be called again while relayIsResending, at least every millisecond.
 */
export function relayResend(): i32 {
  clearMessages();
  let session = sessionResending();
  while (session !== 0 && datagramCount() < RESEND_MAX) {
    const following = sessionNextResending(session);
    resendTo(session);
    if (!ringIsResending(sessionRing(session))) sessionEndResend(session);
    session = following;
  }
  return messageCount();
}

/** Whether relayResend has more to do. */
export function relayIsResending(): bool {
  return sessionResending() !== 0;
}

function resendTo(session: usize): void {
  const ring = sessionRing(session);
  store<u64>(NAME, sessionPath(session));
  for (let i: u32 = 0; i < RESEND_SLICE; i++) {
    const entry = ringNext(ring);
    if (entry === 0) return;
    if (ringWasSent) count(COUNTER_REPLAYED);
    // Sent from where it is: nothing is put into the ring before the messages are gone.
    addMessage(ringPacket(entry), ringPacketLength(entry), NAME);
  }
}
