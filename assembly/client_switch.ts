/**
 * How a client changes from one path to another. With a ring (replay), and a newer epoch than before:
 *
 *   ACTIVATE_FAILED: packets from the device are held in the ring. A probe says what has arrived here; the relay sends the
 *     rest again, and answers what has arrived there. What it lacks is sent again, then what was held, then the device's
 *     packets go on.
 *   ACTIVATE_ALIVE: what was sent over the path of before is still arriving. Packets take the new path at once; the caller asks
 *     in the same way, but later, and what of it was lost is sent again.
 *
 * A relay that was started anew is sent what the one before has not delivered (client_rebind.ts) in the same way, without asking.
 *
 * What is lost while it is sent again, such as a part of a burst that a gateway has no room for, is asked about once more
 * (clientSwitchAgain); nothing waits for that. What is sent again is byte for byte the same. Otherwise packets just take the new
 * path.
 */
import {
  ACTIVATE_ALIVE,
  ACTIVATE_FAILED,
  ACTIVATE_PLAIN,
  ADDRESS_PATH,
  BATCH,
  COUNTER_REPLAYED,
  ERR_INDEX,
  EVENT_SWITCHED,
  OK,
  PATH_MAX,
  RELAY_MODE_IPIP,
  RELAY_MODE_NONE,
  SWITCH_NONE,
  SWITCH_RESENDING,
  SWITCH_WAITING,
} from '../src/packet/abi';
import { aeadFinish } from './aead';
import { addEvent, clearMessages, messageCount, transmitSlot } from './batch';
import { send } from './client_send';
import {
  activePath,
  isAssigned,
  lastRelaySequence,
  pathAssociation,
  pathEpoch,
  relayMode,
  ring,
  secondPath,
  setActive,
  setSecond,
  setSwitchState,
  switchState,
  wrapForRelay,
} from './client_state';
import { count } from './counters';
import { stateHighest } from './receive_state';
import { epochIsNewer } from './relay';
import { ringClear, ringInit, ringPacket, ringPacketLength, ringsUsed } from './ring';
import { ringBegin, ringEnd, ringIsResending, ringNext, ringSlowDown, ringWasSent } from './ring_resend';

/** ACTIVATE_FAILED or ACTIVATE_ALIVE. */
let kind: u32 = ACTIVATE_PLAIN;
/** The last number that was sent over the path of before. */
let until: u64 = 0;
/** It is asked once more. */
let isAgain: bool = false;
/** The new path was the second one: what took both paths has gone over it already. */
let wasSecond: bool = false;

/** Keeps up to `bytes` of what is sent, for `ageMs`; zero: nothing. What was kept before is forgotten. */
export function clientReplay(bytes: u32, ageMs: u32, window: u32): void {
  ringClear(ring);
  ringInit(bytes, bytes, ageMs, window);
  endSwitch();
}

/** Whether what is sent to the relay is kept. */
export function replays(): bool {
  return relayMode !== RELAY_MODE_NONE && relayMode !== RELAY_MODE_IPIP && ringsUsed();
}

/** Sends device packets over this path from now on, under this epoch (u16), ACTIVATE_ says how. -1: drops them. */
export function clientActivate(path: i32, epoch: u32, how: u32): i32 {
  if (path >= PATH_MAX) return ERR_INDEX;
  endSwitch();
  const isNewer = path >= 0 && epochIsNewer(epoch & 0xffff, pathEpoch);
  wasSecond = path >= 0 && path === secondPath;
  setActive(max(path, -1), epoch);
  setSecond(wasSecond ? -1 : secondPath, false);
  if (!isNewer || how === ACTIVATE_PLAIN || !replays()) return OK;
  kind = how;
  until = lastRelaySequence;
  setSwitchState(SWITCH_WAITING);
  return OK;
}

/** The ring holds what a relay that was started anew is to be sent first: packets from the device wait for that. */
export function switchToRenewed(): void {
  kind = ACTIVATE_FAILED;
  isAgain = false;
  until = lastRelaySequence;
  begin(0, 0, until, false);
  ringSlowDown(ring);
}

/** Where the switch is, a SWITCH_ constant. */
export function clientSwitchState(): u32 {
  return switchState;
}

/** Once what was to be sent again has arrived or is lost: asks once more, from the next clientSwitchProbe on. */
export function clientSwitchAgain(): void {
  if (switchState !== SWITCH_NONE || activePath < 0 || !replays()) return;
  kind = ACTIVATE_ALIVE;
  isAgain = true;
  setSwitchState(SWITCH_WAITING);
}

/** Whether the relay is asked once more. */
export function switchIsAgain(): bool {
  return isAgain;
}

/** Whether packets wait until what was lost has been sent again. */
export function switchHolds(): bool {
  return switchState !== SWITCH_NONE && kind === ACTIVATE_FAILED;
}

/** Whether any probe over the active path asks the relay. */
export function switchAsks(): bool {
  return switchState === SWITCH_WAITING && kind === ACTIVATE_FAILED;
}

/** Whether those of the flows that take two paths do not: all of them have gone over the new path before. */
export function switchFreesChosen(): bool {
  return wasSecond;
}

/** The relay's answer, of the epoch `epoch`, in the probe's body of `length` bytes at `body`; to the question asked `again`. */
export function switchAnswered(body: usize, length: u32, epoch: u32, again: bool): void {
  if (switchState !== SWITCH_WAITING || epoch !== pathEpoch || again !== isAgain) return;
  if (isAgain) {
    // What is below the highest that has arrived over the same path is not on its way any more.
    begin(body, length, max(until, min(stateHighest(body), lastRelaySequence)), false);
    return;
  }
  begin(body, length, until, wasSecond);
  addEvent(EVENT_SWITCHED, activePath, 0, epoch, 0, 0);
}

/** Waits no longer for the relay's answer: sends again all that is not known to have arrived, unless that was done before. */
export function clientSwitchGiveUp(): void {
  if (switchState !== SWITCH_WAITING) return;
  if (isAgain) endSwitch();
  else begin(0, 0, until, wasSecond);
}

function begin(body: usize, length: u32, last: u64, skipsSecond: bool): void {
  ringBegin(ring, body, length, last, skipsSecond);
  setSwitchState(SWITCH_RESENDING);
}

function endSwitch(): void {
  ringEnd(ring);
  isAgain = false;
  setSwitchState(SWITCH_NONE);
}

/**
 * Seals packets to be sent again for the active path, up to a batch of them and as many as may be sent in this millisecond.
 * Returns the number of messages in TX_MMSG. To be called until clientSwitchState is no longer SWITCH_RESENDING; it ends the
 * sooner the less is read from the device meanwhile.
 */
export function clientResend(): i32 {
  clearMessages();
  const sa: usize = activePath < 0 ? 0 : pathAssociation(activePath);
  if (sa === 0 || !isAssigned(ADDRESS_PATH + activePath, 4)) {
    endSwitch();
    return 0;
  }
  for (let slot: u32 = 0; slot < <u32>BATCH; slot++) {
    const entry = ringNext(ring);
    if (entry === 0) break;
    const length = ringPacketLength(entry);
    const h = transmitSlot(slot);
    memory.copy(h, ringPacket(entry), length);
    if (ringWasSent) count(COUNTER_REPLAYED);
    const outer = wrapForRelay(h, length, activePath);
    const drop = send(sa, outer, <u32>(h - outer) + length);
    if (drop !== 0) count(drop);
  }
  aeadFinish();
  if (!ringIsResending(ring)) setSwitchState(SWITCH_NONE);
  return messageCount();
}
