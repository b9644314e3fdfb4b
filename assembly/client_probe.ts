/**
 * A client's probes of its paths, and what it makes of the relay's replies. A probe carries what the client has received,
 * its reply what the relay has: each forgets what the other has, and a switch begins with a probe (client_switch.ts).
 */
import {
  ADDRESS_PATH,
  CLIENT_WINDOW,
  COUNTER_PROBES_SENT,
  ERR_INDEX,
  ERR_STATE,
  EVENT_PROBE_REPLY,
  OK,
  OWN_MESSAGE,
  OWN_SLOT,
  PATH_MAX,
  PROBE_BITMAP,
  PROBE_BITMAP_MAX,
  PROBE_BITMAP_USUAL,
  PROBE_HEARD,
  PROBE_ID,
  PROBE_TIME,
  RELAY_FLAG_AGAIN,
  RELAY_FLAG_HAS_SECOND,
  RELAY_FLAG_QUIET,
  RELAY_FLAG_REPLAY,
  RELAY_FLAG_SECOND,
  RELAY_FLAG_SWITCH,
  RELAY_MODE_NONE,
  RELAY_PROBE,
  RELAY_PROBE_BODY,
  TX_MMSG,
} from '../src/packet/abi';
import { aeadFinish } from './aead';
import { addEvent, setMessage, transmitSlot } from './batch';
import { secondConfirmed, writeRules } from './client_second';
import { seal } from './client_send';
import {
  activePath,
  isAssigned,
  lastRelaySequence,
  maxSegment,
  nextRelaySequence,
  pathAssociation,
  pathEpoch,
  relayAnswered,
  relayComplete,
  relayMode,
  relayWindow,
  ring,
  secondPath,
  sendKey,
  sessionIndex,
  wrapForRelay,
} from './client_state';
import { replays, switchAnswered, switchAsks, switchIsAgain } from './client_switch';
import { count } from './counters';
import { windowHighest } from './duplicate';
import { ESP_HEAD } from './esp';
import { IPV4_HEADER } from './ip';
import { stateComplete, stateHighest, stateWrite } from './receive_state';
import { relayEpoch, relayFlags, relayHead, relayProtect, relayTail } from './relay';
import { ringAcknowledge, ringAcknowledgeAbove } from './ring';
import { TCP_HEADER } from './transport';

/** The relay's last reply said that it lacks something: to tell what, the next one needs a probe with room for it. */
let relayLacks: bool = false;

/**
 * Makes a relay probe for the path: message OWN_MESSAGE. The relay sends `id` and the u64 `time` back (EVENT_PROBE_REPLY), but
 * no event comes of a `quiet` one. On another path than the active one it carries an older epoch, so that it does not move
 * the session there. On the second path it says so. Returns OK, ERR_INDEX, or ERR_STATE if it cannot be sent.
 */
export function clientProbe(path: u32, id: u32, timeLow: u32, timeHigh: u32, quiet: bool): i32 {
  const asks = <i32>path === activePath && switchAsks();
  return sendProbe(
    path,
    id,
    timeLow,
    timeHigh,
    (quiet ? RELAY_FLAG_QUIET : 0) | (asks ? RELAY_FLAG_SWITCH : 0),
  );
}

/** Makes the quiet probe on the active path that asks the relay to send again what is lacking here. Returns as clientProbe. */
export function clientSwitchProbe(timeLow: u32, timeHigh: u32): i32 {
  const again: u32 = switchIsAgain() ? RELAY_FLAG_AGAIN : 0;
  return sendProbe(activePath, 0, timeLow, timeHigh, RELAY_FLAG_QUIET | RELAY_FLAG_SWITCH | again);
}

function sendProbe(path: u32, id: u32, timeLow: u32, timeHigh: u32, asked: u32): i32 {
  if (path >= <u32>PATH_MAX) return ERR_INDEX;
  const sa = pathAssociation(path);
  if (sa === 0 || relayMode === RELAY_MODE_NONE || !isAssigned(ADDRESS_PATH + path, 4)) return ERR_STATE;
  const isActive = <i32>path === activePath;
  const isSecond = <i32>path === secondPath;
  const asks = (asked & RELAY_FLAG_SWITCH) !== 0;
  let flags = asked | (replays() ? RELAY_FLAG_REPLAY : 0);
  if (isActive && secondPath >= 0) flags |= RELAY_FLAG_HAS_SECOND;
  if (isSecond) flags |= RELAY_FLAG_SECOND;

  const body = transmitSlot(OWN_SLOT);
  const complete = relayComplete();
  let length: u32 = RELAY_PROBE_BODY;
  if (asks) length = switchBody();
  else if (!isSecond && (relayLacks || windowHighest(relayWindow) !== complete)) length += PROBE_BITMAP_USUAL;
  store<u32>(body, bswap<u32>(id), PROBE_ID);
  store<u32>(body, bswap<u32>(timeHigh), PROBE_TIME);
  store<u32>(body, bswap<u32>(timeLow), PROBE_TIME + 4);
  store<u32>(body, 0, PROBE_HEARD);
  stateWrite(body, length, relayWindow, CLIENT_WINDOW, complete);
  if (isSecond) length += writeRules(body + RELAY_PROBE_BODY);

  const epoch = isActive ? pathEpoch : pathEpoch - 1;
  const type = RELAY_PROBE | (flags << 8);
  const h = relayProtect(relayMode, body, length, type, sessionIndex, epoch, nextRelaySequence(), sendKey);
  const whole = relayHead(relayMode) + length + relayTail(relayMode);
  const outer = wrapForRelay(h, whole, path);
  const sealed = seal(sa, outer, <u32>(h - outer) + whole);
  aeadFinish();
  if (sealed > 0) setMessage(TX_MMSG, OWN_MESSAGE, OWN_MESSAGE, outer - ESP_HEAD, sealed, 0);
  count(sealed > 0 ? COUNTER_PROBES_SENT : -sealed);
  return sealed > 0 ? OK : ERR_STATE;
}

/** Bytes of the body of a probe that asks: as much of a bitmap, here and in the answer, as the tunnel takes in a packet. */
function switchBody(): u32 {
  const packet = maxSegment + IPV4_HEADER + TCP_HEADER;
  return min<u32>(PROBE_BITMAP + PROBE_BITMAP_MAX, max<u32>(packet, RELAY_PROBE_BODY));
}

/** The authentic reply with the header `h`, and the `length` bytes, at least RELAY_PROBE_BODY, at `body` came over the path. */
export function probeAnswered(path: u32, h: usize, body: usize, length: u32): void {
  const flags = relayFlags(h);
  relayAnswered();
  // The relay cannot have what was not sent.
  ringAcknowledge(ring, min(stateComplete(body), lastRelaySequence));
  ringAcknowledgeAbove(ring, body, length);
  relayLacks = stateHighest(body) !== stateComplete(body);
  if ((flags & RELAY_FLAG_SWITCH) !== 0) {
    switchAnswered(body, length, relayEpoch(h), (flags & RELAY_FLAG_AGAIN) !== 0);
  }
  if ((flags & RELAY_FLAG_SECOND) !== 0) secondConfirmed(path);
  if ((flags & RELAY_FLAG_QUIET) !== 0) return;
  const id = bswap<u32>(load<u32>(body, PROBE_ID));
  const heard = bswap<u32>(load<u32>(body, PROBE_HEARD));
  addEvent(EVENT_PROBE_REPLY, path, id, heard, bswap<u64>(load<u64>(body, PROBE_TIME)), 0);
}
