/**
 * A session that goes on with a relay that was started anew: with other keys and sequence numbers, under the same lease. What the
 * relay of before has not delivered, as far as the ring still has it, is sent again: once, in order, before anything new.
 *
 * A relay that ends in order tells its clients, when it is back, what it had received. One that was killed cannot; then only that
 * is sent again which was sent after its end was seen. What it may have delivered in its last moments is not: better lost
 * than doubled.
 *
 * Each packet is opened with the old key and made anew with the new one, under the next of the numbers that begin with that
 * key: no nonce is used twice (relay.ts).
 */
import {
  ERR_LENGTH,
  PROBE_BITMAP_MAX,
  RELAY_DATA,
  RELAY_PROBE_BODY,
  RELAY_SEALED_KEY,
  SCRATCH,
  SCRATCH_RECEIVED,
  SESSION_KEYS,
} from '../src/packet/abi';
import {
  bindKeeping,
  clientBind,
  goneFrom,
  lease,
  nextRelaySequence,
  pathEpoch,
  relayMode,
  ring,
  sendKey,
  sessionIndex,
} from './client_state';
import { replays, switchToRenewed } from './client_switch';
import { relayHead, relayOpen, relayProtect, relayTail } from './relay';
import { ringRenew } from './ring_renew';

const formerKey: usize = memory.data(RELAY_SEALED_KEY, 16);

/**
 * As clientBind, for the session that is bound, whose relay was started anew. `received`: bytes at SCRATCH_RECEIVED, a probe's body with
 * the receive state of the relay of before; zero: it said nothing. Afterwards clientSwitchState is SWITCH_RESENDING, if
 * anything is kept at all.
 */
export function clientRebind(mode: u32, port: u32, session: u32, leased: u32, received: u32): i32 {
  const isState = received >= <u32>RELAY_PROBE_BODY && received <= <u32>RELAY_PROBE_BODY + PROBE_BITMAP_MAX;
  if (received !== 0 && !isState) {
    memory.fill(SCRATCH, 0, SESSION_KEYS);
    return ERR_LENGTH;
  }
  const isSame = mode === relayMode && bswap<u32>(leased) === load<u32>(lease);
  if (!isSame || !replays()) return clientBind(mode, port, session, leased);
  memory.copy(formerKey, sendKey, RELAY_SEALED_KEY);
  const from = goneFrom;
  const status = bindKeeping(mode, port, session, leased);
  ringRenew(ring, received === 0 ? 0 : SCRATCH + SCRATCH_RECEIVED, received, from, renew);
  memory.fill(formerKey, 0, RELAY_SEALED_KEY);
  switchToRenewed();
  return status;
}

/** Makes the packet of `length` bytes at `h`, under the key of before, the session's next one. Returns its number, or zero. */
function renew(h: usize, length: u32): u64 {
  if (relayOpen(relayMode, h, length, formerKey) !== RELAY_DATA) return 0;
  const head = relayHead(relayMode);
  const payload = length - head - relayTail(relayMode);
  const sequence = nextRelaySequence();
  relayProtect(relayMode, h + head, payload, RELAY_DATA, sessionIndex, pathEpoch, sequence, sendKey);
  return sequence;
}
