// Packets from the device to the gateways, a batch at a time. For each packet:
//   1. cut up super-packets, complete checksums (device_in.ts); check it
//   2. tell application traffic (device address) from the control connection's (control address) by its source
//   3. clamp TCP's MSS, translate the source: to the lease (relay) or to the path's virtual address
//   4. with a relay, put the headers in front that carry it there, keep a copy (ring.ts), and make one for a second path
//   5. hold it against the association's selectors, seal it in place, list it as a message
import {
  ADDRESS_CONTROL,
  ADDRESS_DEVICE,
  ADDRESS_PATH,
  BATCH,
  COUNTER_HELD_PACKETS,
  COUNTER_TX_BYTES,
  COUNTER_TX_PACKETS,
  DROP_TX_MALFORMED,
  DROP_TX_NO_SESSION,
  DROP_TX_NO_TUNNEL,
  DROP_TX_SOURCE,
  DROP_TX_TOO_BIG,
  ERR_LENGTH,
  MAX_PACKET,
  RELAY_DATA,
  RELAY_MODE_IPIP,
  RELAY_MODE_NONE,
  TRAFFIC_SENT,
} from '../src/packet/abi';
import { aeadFinish } from './aead';
import { clearMessages, messageCount, next } from './batch';
import { isChosen, secondCopy, secondFinish, secondIsUsed, secondRewind } from './client_second';
import { send } from './client_send';
import {
  activePath,
  addressAt,
  hasAddress,
  isAssigned,
  lease,
  maxSegment,
  nextRelaySequence,
  pathAssociation,
  pathEpoch,
  relayAddress,
  relayMode,
  ring,
  sendKey,
  sessionIndex,
  wrapForRelay,
} from './client_state';
import { replays, switchFreesChosen, switchHolds } from './client_switch';
import { add, count } from './counters';
import { deviceFirst, deviceLength, deviceNext, deviceRewind } from './device_in';
import { checkPacket, IPV4_PROTOCOL, IPV4_SOURCE, IPV6_SOURCE, ipVersion, PROTOCOL_TCP } from './ip';
import { clampMss } from './mss';
import { ipipEncapsulate, relayHead, relayProtect, relayTail } from './relay';
import { rewriteSource } from './rewrite';
import { ENTRY_HELD, ENTRY_LASTING, ENTRY_SECOND, ringAppend } from './ring';

/** In this batch: what is sent is kept, and held; there are two paths; it matters which flow a packet is of. */
let isKeeping: bool = false;
let isHolding: bool = false;
let isDoubling: bool = false;
let asksFlows: bool = false;

/**
 * Seals what is in the first `packets` slots of TX_SLOTS (or BIG_TX_SLOTS), whose lengths are in TX_LENGTHS, for the
 * active path. Returns the number of messages in TX_MMSG to send on its socket; RESULT_SECOND more are for the second path.
 * The rest is dropped, or held until the end of a switch, and counted.
 */
export function clientTransmit(packets: u32): i32 {
  if (packets > <u32>BATCH) return ERR_LENGTH;
  clearMessages();
  deviceRewind();
  secondRewind();
  isKeeping = replays();
  isHolding = switchHolds();
  isDoubling = secondIsUsed();
  asksFlows = isDoubling || (isHolding && switchFreesChosen());
  for (let i: u32 = 0; i < packets; i++) {
    for (let p = deviceFirst(i); p !== 0; p = deviceNext()) {
      const drop = transmit(p, deviceLength);
      if (drop !== 0) count(drop);
    }
  }
  const messages = messageCount();
  secondFinish();
  aeadFinish();
  return messages;
}

/** Makes a datagram of the packet of `available` bytes at `p`. Returns the reason for a drop, 0 if there is none. */
function transmit(p: usize, available: u32): u32 {
  if (available > <u32>MAX_PACKET) return DROP_TX_TOO_BIG;
  const checked = checkPacket(p, available);
  if (checked < 0) return DROP_TX_MALFORMED;
  const length = <u32>checked;
  const family = ipVersion(p);
  const source = p + (family === 4 ? IPV4_SOURCE : IPV6_SOURCE);
  const isControl = relayAddress !== 0 && hasAddress(ADDRESS_CONTROL, family, source);
  if (!isControl && !hasAddress(ADDRESS_DEVICE, family, source)) return DROP_TX_SOURCE;

  const path = activePath;
  const sa: usize = path < 0 ? 0 : pathAssociation(path);
  if (sa === 0) return DROP_TX_NO_TUNNEL;
  clampMss(p, length, maxSegment);
  let drop: u32;
  if (relayAddress === 0 || isControl) drop = sendDirect(sa, p, length, family, source);
  else drop = sendRelayed(sa, p, length, family);
  if (drop === 0) {
    count(COUNTER_TX_PACKETS);
    add(COUNTER_TX_BYTES, length);
    if (!isControl) next(TRAFFIC_SENT);
  }
  return drop;
}

/** To the gateway's network under the path's virtual address. */
function sendDirect(sa: usize, p: usize, length: u32, family: u32, source: usize): u32 {
  const slot: u32 = ADDRESS_PATH + activePath;
  if (!isAssigned(slot, family)) return DROP_TX_NO_TUNNEL;
  if (!hasAddress(slot, family, source)) rewriteSource(p, length, addressAt(slot, family));
  return send(sa, p, length);
}

/** To the relay, under the lease. Sessions are for IPv4 only. */
function sendRelayed(sa: usize, p: usize, length: u32, family: u32): u32 {
  if (relayMode === RELAY_MODE_NONE || family !== 4) return DROP_TX_NO_SESSION;
  if (!isAssigned(ADDRESS_PATH + activePath, 4)) return DROP_TX_NO_TUNNEL;
  if (load<u32>(p, IPV4_SOURCE) !== load<u32>(lease)) rewriteSource(p, length, lease);
  if (relayMode === RELAY_MODE_IPIP) {
    const source = load<u32>(addressAt(ADDRESS_PATH + activePath, 4));
    const outer = ipipEncapsulate(p, length, source, relayAddress);
    return send(sa, outer, <u32>(p - outer) + length);
  }
  const isChosenFlow = asksFlows && isChosen(p, length);
  const lasting = load<u8>(p, IPV4_PROTOCOL) === PROTOCOL_TCP ? ENTRY_LASTING : 0;
  const sequence = nextRelaySequence();
  const h = relayProtect(relayMode, p, length, RELAY_DATA, sessionIndex, pathEpoch, sequence, sendKey);
  const total = relayHead(relayMode) + length + relayTail(relayMode);
  const isDouble = isChosenFlow && isDoubling && secondCopy(h, total);
  if (isKeeping) {
    const isHeld = isHolding && !(isChosenFlow && switchFreesChosen());
    const flags = lasting | (isHeld ? ENTRY_HELD : 0) | (isDouble ? ENTRY_SECOND : 0);
    ringAppend(ring, h, total, sequence, flags);
    if (isHeld) {
      count(COUNTER_HELD_PACKETS);
      return 0;
    }
  }
  const outer = wrapForRelay(h, total, activePath);
  return send(sa, outer, <u32>(h - outer) + total);
}
