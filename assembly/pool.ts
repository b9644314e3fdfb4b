// The pool of a relay server or a gateway: an IPv4 prefix, and a table from each of its addresses to who has it.
import { ERR_LENGTH, OK, POOL, POOL_MAX } from '../src/packet/abi';

/** First address of the pool, in host order, and its mask. A mask of zero stands for no pool. */
let poolFirst: u32 = 0;
let poolMask: u32 = 0;

/**
 * Sets the pool: its address as it lies in packets, and its prefix length (12 to 32). The table must be empty.
 * Returns OK or ERR_LENGTH.
 */
export function poolInit(address: u32, prefixLength: u32): i32 {
  if (prefixLength > 32) return ERR_LENGTH;
  const addresses = (<u64>1) << (32 - prefixLength);
  if (addresses > <u64>POOL_MAX) return ERR_LENGTH;
  poolMask = ~(<u32>addresses - 1);
  poolFirst = bswap<u32>(address) & poolMask;
  return OK;
}

/** Whether an address, as it lies in packets, is in the pool. */
export function poolContains(address: u32): bool {
  return poolMask !== 0 && (bswap<u32>(address) & poolMask) === poolFirst;
}

/** Where the pool table has the u32 of an address of the pool. */
export function poolEntry(address: u32): usize {
  return POOL + ((bswap<u32>(address) & ~poolMask) << 2);
}
