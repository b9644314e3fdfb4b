// Security associations (RFC 4301 section 4.4.2): a table of records for each direction, keys installed once.
import {
  AEAD_CONTEXT_SIZE,
  DIRECTION_IN,
  ERR_INDEX,
  ERR_LENGTH,
  ERR_STATE,
  ERR_SUITE,
  OK,
  PEER_MAX,
  PEERS,
  REPLAY_WINDOW,
  SA_CONTEXTS,
  SA_IN,
  SA_INDEX_MASK,
  SA_MAX,
  SA_OUT,
  SA_RECORD_SIZE,
  SA_SEQUENCE,
  SCRATCH,
  SCRATCH_SELECTORS,
  SCRATCH_SIZE,
  SELECTOR_SIZE,
  SELECTORS_MAX,
} from '../src/packet/abi';
import { aeadInstall, aeadWipe } from './aead';

// A record. Lists of selectors have SELECTORS_MAX places each.
/** u32, 1 while the association is installed. */
export const SA_LIVE: usize = 0;
/** u32, host order. */
export const SA_SPI: usize = 4;
/** u32, a SUITE_ constant. */
export const SA_SUITE: usize = 8;
/** u32, who is at the other end: a client's path to a gateway, or a gateway's peer. */
export const SA_PATH: usize = 12;
/** u32, SA_FLAG_ constants. */
export const SA_FLAGS: usize = 16;
export const SA_LOCAL_COUNT: usize = 20;
export const SA_REMOTE_COUNT: usize = 24;
export const SA_LOCAL: usize = 64;
export const SA_REMOTE: usize = SA_LOCAL + SELECTORS_MAX * SELECTOR_SIZE;
/** windowSize(REPLAY_WINDOW), as a constant. */
const WINDOW_BYTES = 8 + REPLAY_WINDOW / 8;

if (<usize>SA_SEQUENCE !== SA_REMOTE + SELECTORS_MAX * SELECTOR_SIZE)
  ERROR('the lists of selectors end at SA_SEQUENCE');
if (SA_SEQUENCE + WINDOW_BYTES > SA_RECORD_SIZE) ERROR('the window does not fit in its record');
if (SA_OUT + SA_MAX * SA_RECORD_SIZE !== SA_IN) ERROR('the tables of records are not contiguous');
if (SA_IN + SA_MAX * SA_RECORD_SIZE > SA_CONTEXTS) ERROR('records and cipher contexts overlap');
if (SA_CONTEXTS + 2 * SA_MAX * AEAD_CONTEXT_SIZE > PEERS) ERROR('the cipher contexts do not fit');

/** Bound on SA_PATH: as many as the role has paths or peers. */
let paths: u32 = 0;

/** Says how many paths or peers there can be. */
export function saPaths(count: u32): void {
  paths = min(count, <u32>PEER_MAX);
}

/** Below lie reserved values (RFC 4303 section 2.1). */
const FIRST_SPI: u32 = 256;

/** Address of the record at `index` (below SA_MAX). */
export function saRecord(direction: u32, index: u32): usize {
  return <usize>(direction === DIRECTION_IN ? SA_IN : SA_OUT) + <usize>index * SA_RECORD_SIZE;
}

/** The inbound association of an SPI; 0 if there is none. */
export function saInbound(spi: u32): usize {
  const sa = saRecord(DIRECTION_IN, spi & SA_INDEX_MASK);
  return load<u32>(sa, SA_LIVE) !== 0 && load<u32>(sa, SA_SPI) === spi ? sa : 0;
}

/** Address of an association's cipher context. */
export function saContext(sa: usize): usize {
  return <usize>SA_CONTEXTS + ((sa - <usize>SA_OUT) / SA_RECORD_SIZE) * AEAD_CONTEXT_SIZE;
}

/**
 * Installs an association from the key, salt and selectors in SCRATCH, which is wiped whatever happens. An index
 * in use is refused (ERR_STATE): a sequence number is never used twice under a key. An inbound SPI must carry its
 * index in the low bits.
 */
export function saInstall(direction: u32, index: u32, spi: u32, suite: i32, path: u32, flags: u32): i32 {
  const status = install(direction, index, spi, suite, path, flags);
  memory.fill(SCRATCH, 0, SCRATCH_SIZE);
  return status;
}

/** Forgets an association and wipes its keys. Removing what is not there is no error. */
export function saRemove(direction: u32, index: u32): i32 {
  if (direction > <u32>DIRECTION_IN || index >= <u32>SA_MAX) return ERR_INDEX;
  const sa = saRecord(direction, index);
  if (load<u32>(sa, SA_LIVE) === 0) return OK;
  aeadWipe(saContext(sa));
  memory.fill(sa, 0, SA_RECORD_SIZE);
  return OK;
}

function install(direction: u32, index: u32, spi: u32, suite: i32, path: u32, flags: u32): i32 {
  if (direction > <u32>DIRECTION_IN || index >= <u32>SA_MAX || path >= paths || spi < FIRST_SPI)
    return ERR_INDEX;
  if (direction === DIRECTION_IN && (spi & SA_INDEX_MASK) !== index) return ERR_INDEX;
  const locals = load<u32>(SCRATCH + SCRATCH_SELECTORS);
  const remotes = load<u32>(SCRATCH + SCRATCH_SELECTORS + 4);
  if (locals === 0 || remotes === 0 || locals > <u32>SELECTORS_MAX || remotes > <u32>SELECTORS_MAX)
    return ERR_LENGTH;
  const sa = saRecord(direction, index);
  if (load<u32>(sa, SA_LIVE) !== 0) return ERR_STATE;
  if (aeadInstall(suite, saContext(sa), SCRATCH) !== OK) return ERR_SUITE;

  // A free record is all zero, sequence number and window too.
  store<u32>(sa, spi, SA_SPI);
  store<u32>(sa, suite, SA_SUITE);
  store<u32>(sa, path, SA_PATH);
  store<u32>(sa, flags, SA_FLAGS);
  store<u32>(sa, locals, SA_LOCAL_COUNT);
  store<u32>(sa, remotes, SA_REMOTE_COUNT);
  const lists: usize = SCRATCH + SCRATCH_SELECTORS + 8;
  memory.copy(sa + SA_LOCAL, lists, locals * SELECTOR_SIZE);
  memory.copy(sa + SA_REMOTE, lists + locals * SELECTOR_SIZE, remotes * SELECTOR_SIZE);
  store<u32>(sa, 1, SA_LIVE);
  return OK;
}
