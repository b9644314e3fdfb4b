/**
 * The second path: packets of chosen flows take it as well, as the same relay packets, of which the relay keeps the one that
 * comes first. It begins when the relay has confirmed that it knows the path, as it would take the session to be there
 * otherwise.
 */
import {
  ADDRESS_PATH,
  COUNTER_SECOND_PACKETS,
  ERR_INDEX,
  ERR_LENGTH,
  OK,
  PATH_MAX,
  RESULT_SECOND,
  RULE_SIZE,
  RULES_MAX,
  SCRATCH,
  SECOND_MESSAGE,
  SECOND_PACKETS,
  SECOND_PACKETS_END,
} from '../src/packet/abi';
import { clearMessagesFrom, messageCount } from './batch';
import { send } from './client_send';
import {
  isAssigned,
  pathAssociation,
  secondIsKnown,
  secondPath,
  setSecond,
  wrapForRelay,
} from './client_state';
import { count } from './counters';
import { flowMatches } from './flows';

/** In front of a copy, for all that encapsulation adds, and behind it, for what sealing adds. */
const HEADROOM: u32 = 128;
const ROOM: u32 = 64;

const rules: usize = memory.data(RULES_MAX * RULE_SIZE, 4);
let ruleCount: u32 = 0;

/** Where the next copy can go. Each begins with its length, at HEADROOM before the packet. */
let cursor: usize = SECOND_PACKETS;

/** Sends the flows that `ruleCount` rules, at SCRATCH, choose over two paths; without a rule all. */
export function clientRules(count: u32): i32 {
  if (count > <u32>RULES_MAX) return ERR_LENGTH;
  memory.copy(rules, SCRATCH, count * RULE_SIZE);
  ruleCount = count;
  setSecond(secondPath, false);
  return OK;
}

/** Makes this path the second one, from when the relay has answered a probe on it. -1: there is none. */
export function clientSecond(path: i32): i32 {
  if (path >= PATH_MAX) return ERR_INDEX;
  setSecond(max(path, -1), false);
  return OK;
}

/** The relay knows the path as the second one. */
export function secondConfirmed(path: u32): void {
  if (<i32>path === secondPath) setSecond(secondPath, true);
}

/** Writes what a probe on the second path says of the flows to `p`; its length. */
export function writeRules(p: usize): u32 {
  store<u32>(p, ruleCount);
  memory.copy(p + 4, rules, ruleCount * RULE_SIZE);
  return 4 + ruleCount * RULE_SIZE;
}

/** Whether the IPv4 packet is of a flow that takes two paths, if there are two. */
export function isChosen(p: usize, length: u32): bool {
  return flowMatches(rules, ruleCount, p, length);
}

/** Whether there are two paths now. */
export function secondIsUsed(): bool {
  return secondIsKnown && secondPath >= 0 && pathAssociation(secondPath) !== 0;
}

/** Begins a batch without any copy. */
export function secondRewind(): void {
  cursor = SECOND_PACKETS;
}

/** Copies the relay packet of `length` bytes at `h` for the second path. False if there is no room. */
export function secondCopy(h: usize, length: u32): bool {
  const next = (cursor + HEADROOM + length + ROOM + 15) & ~15;
  if (next > <usize>SECOND_PACKETS_END) return false;
  store<u32>(cursor, length);
  memory.copy(cursor + HEADROOM, h, length);
  cursor = next;
  return true;
}

/** Seals the copies: RESULT_SECOND messages from SECOND_MESSAGE of TX_MMSG on. */
export function secondFinish(): void {
  let made: u32 = 0;
  if (cursor !== SECOND_PACKETS) {
    clearMessagesFrom(SECOND_MESSAGE);
    sealCopies();
    made = messageCount() - SECOND_MESSAGE;
  }
  store<u32>(RESULT_SECOND, made);
}

function sealCopies(): void {
  const sa: usize = pathAssociation(secondPath);
  if (!isAssigned(ADDRESS_PATH + secondPath, 4)) return;
  for (let at: usize = SECOND_PACKETS; at < cursor; ) {
    const length = load<u32>(at);
    const h = at + HEADROOM;
    at = (at + HEADROOM + length + ROOM + 15) & ~15;
    const outer = wrapForRelay(h, length, secondPath);
    const drop = send(sa, outer, <u32>(h - outer) + length);
    count(drop === 0 ? COUNTER_SECOND_PACKETS : drop);
  }
}
