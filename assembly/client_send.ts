// The last step of all that a client sends: into the tunnel.
import { DROP_TX_DESTINATION, DROP_TX_SEQUENCE_EXHAUSTED } from '../src/packet/abi';
import { addMessage } from './batch';
import { ESP_HEAD, espSeal } from './esp';
import { mayLeave } from './selectors';

/** Appends the packet, sealed as by espSeal, to the messages. Returns the reason for a drop, 0 if there is none. */
export function send(sa: usize, p: usize, length: u32): u32 {
  const sealed = seal(sa, p, length);
  if (sealed < 0) return -sealed;
  addMessage(p - ESP_HEAD, sealed, 0);
  return 0;
}

/** Seals the packet, as espSeal. Returns the length of the datagram at p - ESP_HEAD, or the reason for a drop, negated. */
export function seal(sa: usize, p: usize, length: u32): i32 {
  if (!mayLeave(sa, p, length)) return -DROP_TX_DESTINATION;
  const sealed = espSeal(sa, p, length);
  return sealed === 0 ? -DROP_TX_SEQUENCE_EXHAUSTED : sealed;
}
