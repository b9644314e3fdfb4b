// A gateway's peers, its clients: where each is reached, and the association to send on. The pool table leads from a
// virtual address to its peer.
import {
  DIRECTION_OUT,
  ERR_INDEX,
  ERR_STATE,
  NAME_SIZE,
  OK,
  PEER_MAX,
  PEER_RECEIVED,
  PEER_SIZE,
  PEERS,
  SA_MAX,
  SCRATCH,
  SESSIONS,
} from '../src/packet/abi';
import { poolContains, poolEntry } from './pool';
import { SA_LIVE, SA_PATH, SA_SPI, saRecord } from './sa';

// A record. All zero: no peer.
/** u32, 1 while the peer is installed. */
const LIVE: usize = 0;
/** u32, 1 + index of the outbound association; zero: none. */
const OUTBOUND: usize = 4;
/** u32 SPI of the outbound association: one that takes its place in the table later is another. */
const OUTBOUND_SPI: usize = 8;
/** u32 virtual address, as it lies in packets. */
const ADDRESS: usize = 12;
/** NAME_SIZE bytes: the sockaddr where the peer is reached. */
const NAME: usize = 32;

if (<usize>PEER_SIZE !== NAME + NAME_SIZE) ERROR('a record ends with the sockaddr');
if (PEERS + PEER_MAX * PEER_SIZE > SESSIONS) ERROR('the peers do not fit');

function recordOf(index: u32): usize {
  return <usize>PEERS + <usize>index * PEER_SIZE;
}

/** The record of the peer with this index (below PEER_MAX), or zero. */
export function peerAt(index: u32): usize {
  const peer = recordOf(index);
  return load<u32>(peer, LIVE) !== 0 ? peer : 0;
}

/** The record of the peer that has an address, as it lies in packets; zero if nobody has it. */
export function peerOfAddress(address: u32): usize {
  if (!poolContains(address)) return 0;
  const entry = load<u32>(poolEntry(address));
  return entry === 0 ? 0 : recordOf(entry - 1);
}

export function peerIndex(peer: usize): u32 {
  return <u32>((peer - <usize>PEERS) / PEER_SIZE);
}

/** The association to send to the peer on, or zero. */
export function peerAssociation(peer: usize): usize {
  const entry = load<u32>(peer, OUTBOUND);
  if (entry === 0) return 0;
  const sa = saRecord(DIRECTION_OUT, entry - 1);
  return isOfPeer(sa, peerIndex(peer)) && load<u32>(sa, SA_SPI) === load<u32>(peer, OUTBOUND_SPI) ? sa : 0;
}

function isOfPeer(sa: usize, index: u32): bool {
  return load<u32>(sa, SA_LIVE) !== 0 && load<u32>(sa, SA_PATH) === index;
}

/** The sockaddr where the peer is reached. */
export function peerName(peer: usize): usize {
  return peer + NAME;
}

/** An authentic packet of the peer came from the sockaddr at `name`. True if that is another one than before. */
export function peerIsElsewhere(peer: usize, name: usize): bool {
  const known = v128.load(peer + NAME);
  const more = v128.load(peer + NAME, 16);
  const differing = v128.or(v128.xor(known, v128.load(name)), v128.xor(more, v128.load(name, 16)));
  return v128.any_true(differing);
}

/** Reaches the peer at the sockaddr at `name` from now on. */
export function peerMove(peer: usize, name: usize): void {
  memory.copy(peer + NAME, name, NAME_SIZE);
}

export function peerCountReceived(peer: usize): void {
  store<u64>(peer, load<u64>(peer, PEER_RECEIVED) + 1, PEER_RECEIVED);
}

/**
 * Installs a peer with a virtual address, as it lies in packets; NAME_SIZE bytes at SCRATCH are the sockaddr where it is
 * reached. Returns OK; ERR_INDEX for a place or an address that does not exist, ERR_STATE for one that is in use.
 */
export function gatewayPeerInstall(index: u32, address: u32): i32 {
  if (index >= <u32>PEER_MAX || !poolContains(address)) return ERR_INDEX;
  if (peerAt(index) !== 0 || load<u32>(poolEntry(address)) !== 0) return ERR_STATE;
  const peer = recordOf(index);
  memory.fill(peer, 0, PEER_SIZE);
  store<u32>(peer, 1, LIVE);
  store<u32>(peer, address, ADDRESS);
  memory.copy(peer + NAME, SCRATCH, NAME_SIZE);
  store<u32>(poolEntry(address), index + 1);
  return OK;
}

/** Reaches a peer at the sockaddr at SCRATCH. Returns OK, or ERR_INDEX if there is no such peer. */
export function gatewayPeerMove(index: u32): i32 {
  if (index >= <u32>PEER_MAX || peerAt(index) === 0) return ERR_INDEX;
  peerMove(recordOf(index), SCRATCH);
  return OK;
}

/** Sends to the peer on this outbound association of its own from now on. Returns OK, ERR_INDEX or ERR_STATE. */
export function gatewayPeerSend(index: u32, association: u32): i32 {
  if (index >= <u32>PEER_MAX || association >= <u32>SA_MAX) return ERR_INDEX;
  const sa = saRecord(DIRECTION_OUT, association);
  if (peerAt(index) === 0 || !isOfPeer(sa, index)) return ERR_STATE;
  store<u32>(recordOf(index), association + 1, OUTBOUND);
  store<u32>(recordOf(index), load<u32>(sa, SA_SPI), OUTBOUND_SPI);
  return OK;
}

/** Forgets a peer; its associations are removed apart. Returns OK, or ERR_INDEX if there is none. */
export function gatewayPeerRemove(index: u32): i32 {
  if (index >= <u32>PEER_MAX || peerAt(index) === 0) return ERR_INDEX;
  const peer = recordOf(index);
  store<u32>(poolEntry(load<u32>(peer, ADDRESS)), 0);
  memory.fill(peer, 0, PEER_SIZE);
  return OK;
}
