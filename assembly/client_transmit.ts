// Packets from the device to the gateways, a batch at a time. For each packet:
//   1. cut up super-packets, complete checksums (device_in.ts); check it
//   2. tell application traffic (device address) from the control connection's (control address) by its source
//   3. clamp TCP's MSS, translate the source: to the lease (relay) or to the path's virtual address
//   4. with a relay, put the headers in front that carry it there
//   5. hold it against the association's selectors, seal it in place, list it as a message
import {
  ADDRESS_CONTROL,
  ADDRESS_DEVICE,
  ADDRESS_PATH,
  BATCH,
  COUNTER_PROBES_SENT,
  COUNTER_TX_BYTES,
  COUNTER_TX_PACKETS,
  DROP_TX_DESTINATION,
  DROP_TX_MALFORMED,
  DROP_TX_NO_SESSION,
  DROP_TX_NO_TUNNEL,
  DROP_TX_SEQUENCE_EXHAUSTED,
  DROP_TX_SOURCE,
  DROP_TX_TOO_BIG,
  ERR_INDEX,
  ERR_LENGTH,
  ERR_STATE,
  MAX_PACKET,
  OK,
  OWN_MESSAGE,
  OWN_SLOT,
  PATH_MAX,
  RELAY_DATA,
  RELAY_MODE_IPIP,
  RELAY_MODE_NONE,
  RELAY_PROBE,
  RELAY_PROBE_BODY,
  TRAFFIC_SENT,
  TX_MMSG,
} from '../src/packet/abi';
import { addMessage, clearMessages, messageCount, next, setMessage, transmitSlot } from './batch';
import {
  activePath,
  addressAt,
  clientPort,
  hasAddress,
  isAssigned,
  lease,
  maxSegment,
  nextRelaySequence,
  pathAssociation,
  pathEpoch,
  relayAddress,
  relayMode,
  relayPort,
  relayWindow,
  sendKey,
  sessionIndex,
} from './client_state';
import { add, count } from './counters';
import { deviceFirst, deviceLength, deviceNext, deviceRewind } from './device_in';
import { windowHighest } from './duplicate';
import { ESP_HEAD, espSeal } from './esp';
import { checkPacket, IPV4_SOURCE, IPV6_SOURCE, ipVersion } from './ip';
import { clampMss } from './mss';
import { ipipEncapsulate, relayEncapsulate, relayTail } from './relay';
import { rewriteSource } from './rewrite';
import { mayLeave } from './selectors';

/**
 * Seals what is in the first `packets` slots of TX_SLOTS (or BIG_TX_SLOTS), whose lengths are in TX_LENGTHS, for the
 * active path. Returns the number of messages in TX_MMSG to send on its socket; the rest is dropped and counted.
 */
export function clientTransmit(packets: u32): i32 {
  if (packets > <u32>BATCH) return ERR_LENGTH;
  clearMessages();
  deviceRewind();
  for (let i: u32 = 0; i < packets; i++) {
    for (let p = deviceFirst(i); p !== 0; p = deviceNext()) {
      const drop = transmit(p, deviceLength);
      if (drop !== 0) count(drop);
    }
  }
  return messageCount();
}

/**
 * Makes a relay probe for the path: message OWN_MESSAGE. The relay sends `id` and the u64 `time` back (EVENT_PROBE_REPLY).
 * On another path than the active one it carries an older epoch, so that it does not move the session there.
 */
export function clientProbe(path: u32, id: u32, timeLow: u32, timeHigh: u32): i32 {
  if (path >= <u32>PATH_MAX) return ERR_INDEX;
  const sa = pathAssociation(path);
  if (sa === 0 || relayMode === RELAY_MODE_NONE || !isAssigned(ADDRESS_PATH + path, 4)) return ERR_STATE;
  const body = transmitSlot(OWN_SLOT);
  store<u32>(body, bswap<u32>(id));
  store<u32>(body, bswap<u32>(timeHigh), 4);
  store<u32>(body, bswap<u32>(timeLow), 8);
  store<u64>(body, bswap<u64>(windowHighest(relayWindow)), 12);
  const epoch = <i32>path === activePath ? pathEpoch : pathEpoch - 1;
  const outer = toRelay(body, RELAY_PROBE_BODY, RELAY_PROBE, epoch, path);
  const sealed = seal(sa, outer, <u32>(body - outer) + RELAY_PROBE_BODY + relayTail(relayMode));
  if (sealed > 0) setMessage(TX_MMSG, OWN_MESSAGE, OWN_MESSAGE, outer - ESP_HEAD, sealed, 0);
  count(sealed > 0 ? COUNTER_PROBES_SENT : -sealed);
  return sealed > 0 ? OK : ERR_STATE;
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
  const outer =
    relayMode === RELAY_MODE_IPIP
      ? ipipEncapsulate(p, length, load<u32>(addressAt(ADDRESS_PATH + activePath, 4)), relayAddress)
      : toRelay(p, length, RELAY_DATA, pathEpoch, activePath);
  return send(sa, outer, <u32>(p - outer) + length + relayTail(relayMode));
}

/** Makes a relay packet of a payload, with UDP and IP header in front. Returns the new start. */
function toRelay(payload: usize, length: u32, type: u32, epoch: u32, path: u32): usize {
  return relayEncapsulate(
    relayMode,
    payload,
    length,
    type,
    sessionIndex,
    epoch,
    nextRelaySequence(),
    sendKey,
    load<u32>(addressAt(ADDRESS_PATH + path, 4)),
    relayAddress,
    clientPort,
    relayPort,
  );
}

/** Appends the packet, sealed, to the messages. Returns the reason for a drop, 0 if there is none. */
function send(sa: usize, p: usize, length: u32): u32 {
  const sealed = seal(sa, p, length);
  if (sealed < 0) return -sealed;
  addMessage(p - ESP_HEAD, sealed, 0);
  return 0;
}

/** Seals the packet. Returns the length of the datagram at p - ESP_HEAD, or the reason for a drop, negated. */
function seal(sa: usize, p: usize, length: u32): i32 {
  if (!mayLeave(sa, p, length)) return -DROP_TX_DESTINATION;
  const sealed = espSeal(sa, p, length);
  return sealed === 0 ? -DROP_TX_SEQUENCE_EXHAUSTED : sealed;
}
