// ESP in tunnel mode (RFC 4303) with the combined-mode ciphers of RFC 7634 and RFC 4106, in place:
//   SPI (4), sequence number (4), IV (8), [ inner packet, padding, pad length (1), next header (1) ], ICV (16)
// The brackets are encrypted. The IV is the 64-bit sequence number, so no nonce comes twice under a key.
// With AES-CBC and HMAC-SHA2-256-128 (RFC 3602, RFC 4868) the IV has 16 bytes, and padding fills blocks of 16. So that inner
// packets are at the same place in either case, the ciphertext is 8 bytes further on than the plaintext.
import {
  DROP_RX_AUTH,
  DROP_RX_DUMMY,
  DROP_RX_INNER_MALFORMED,
  DROP_RX_REPLAY,
  DROP_RX_SHORT,
  DROP_RX_TRAILER,
  REPLAY_WINDOW,
  SA_FLAG_ESN,
  SA_SEQUENCE,
  SUITE_AES_128_CBC_SHA256,
} from '../src/packet/abi';
import { aeadOpen, aeadSeal } from './aead';
import { aesCbcDecrypt, aesCbcEncrypt, aesCbcIcv, aesCbcIv } from './aescbc';
import { windowAccept, windowCheck, windowHighest } from './duplicate';
import { SA_FLAGS, SA_SPI, SA_SUITE, saContext } from './sa';

/** Bytes in front of the inner packet: header and IV. */
export const ESP_HEAD: u32 = 16;
/** Offset of the IV. */
const IV: u32 = 8;
/** Length of the ICV. */
const ICV: u32 = 16;
/** Header and IV, the shortest aligned plaintext (trailer alone, padded), ICV. */
const SHORTEST: u32 = ESP_HEAD + 4 + ICV;
/** With AES-CBC: bytes of the IV, of what is not encrypted, and of the shortest packet, which has one block. */
const CBC_IV: u32 = 16;
const CBC_HEAD: u32 = IV + CBC_IV;
const CBC_SHORTEST: u32 = CBC_HEAD + 16 + ICV;

const NEXT_IPV4: u32 = 4;
const NEXT_IPV6: u32 = 41;
/** RFC 4303 section 2.6. */
const NEXT_DUMMY: u32 = 59;

/** With extended sequence numbers the associated data is not contiguous in the packet: put together here. */
const AAD: usize = memory.data(16, 16);
const IV_BLOCK: usize = memory.data(16, 16);

/**
 * Seals the inner packet of `length` bytes at `packet`; ESP_HEAD bytes before and 41 behind it are written. The ICV may be
 * missing until the next packet is sealed or aeadFinish is called, which must be before the packet leaves.
 * Returns the length of the ESP packet, which starts at `packet - ESP_HEAD`, or 0 once the association has used
 * up its sequence numbers (RFC 4303 section 3.3.3).
 */
export function espSeal(sa: usize, packet: usize, length: u32): u32 {
  const esn = (load<u32>(sa, SA_FLAGS) & SA_FLAG_ESN) !== 0;
  const last = load<u64>(sa, SA_SEQUENCE);
  if (last === (esn ? u64.MAX_VALUE : <u64>u32.MAX_VALUE)) return 0;
  const sequence = last + 1;
  store<u64>(sa, sequence, SA_SEQUENCE);

  const esp = packet - ESP_HEAD;
  store<u32>(esp, bswap<u32>(load<u32>(sa, SA_SPI)));
  store<u32>(esp, bswap<u32>(<u32>sequence), 4);
  const suite = load<i32>(sa, SA_SUITE);
  if (suite >= SUITE_AES_128_CBC_SHA256) return sealCbc(saContext(sa), esn, sequence, packet, length);
  store<u64>(esp + IV, bswap<u64>(sequence));

  const padding = (2 - length) & 3;
  const trailer = packet + length;
  store<u32>(trailer, 0x00030201);
  store<u8>(trailer + padding, <u8>padding);
  store<u8>(trailer + padding, load<u8>(packet) >> 4 === 6 ? NEXT_IPV6 : NEXT_IPV4, 1);

  const plaintext = length + padding + 2;
  const aad = associatedData(esp, esn, sequence);
  aeadSeal(suite, saContext(sa), esp + IV, aad, esn ? 12 : 8, packet, plaintext);
  return ESP_HEAD + plaintext + ICV;
}

/** The rest of espSeal with AES-CBC. */
function sealCbc(context: usize, esn: bool, sequence: u64, packet: usize, length: u32): u32 {
  const esp = packet - ESP_HEAD;
  const next = load<u8>(packet) >> 4 === 6 ? NEXT_IPV6 : NEXT_IPV4;
  const padding = (14 - length) & 15;
  const trailer = packet + length;
  v128.store(trailer, i8x16(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0));
  store<u8>(trailer + padding, <u8>padding);
  store<u8>(trailer + padding, <u8>next, 1);

  const plaintext = length + padding + 2;
  // The IV's second half comes where the packet begins.
  aesCbcIv(context, sequence, IV_BLOCK);
  aesCbcEncrypt(context, IV_BLOCK, esp + CBC_HEAD, packet, plaintext);
  v128.store(esp, v128.load(IV_BLOCK), IV);
  const authenticated = CBC_HEAD + plaintext;
  v128.store(esp + authenticated, aesCbcIcv(context, esp, authenticated, esn, <u32>(sequence >> 32)));
  return authenticated + ICV;
}

/**
 * Opens the ESP packet of `length` bytes at `esp` under an association whose SPI it carries: window, tag, window
 * moved, trailer. Returns the length of the payload, at `esp + ESP_HEAD`, whose first byte agrees with the next
 * header; or the reason for the drop, negated.
 */
export function espOpen(sa: usize, esp: usize, length: u32): i32 {
  if (length < SHORTEST) return -DROP_RX_SHORT;
  const esn = (load<u32>(sa, SA_FLAGS) & SA_FLAG_ESN) !== 0;
  const low = bswap<u32>(load<u32>(esp, 4));
  const window = sa + SA_SEQUENCE;
  const sequence = esn ? inferSequence(windowHighest(window), low) : <u64>low;
  if (!windowCheck(window, REPLAY_WINDOW, sequence)) return -DROP_RX_REPLAY;

  const suite = load<i32>(sa, SA_SUITE);
  if (suite >= SUITE_AES_128_CBC_SHA256) return openCbc(sa, esn, sequence, esp, length);
  const plaintext = length - ESP_HEAD - ICV;
  const data = esp + ESP_HEAD;
  const aad = associatedData(esp, esn, sequence);
  if (!aeadOpen(suite, saContext(sa), esp + IV, aad, esn ? 12 : 8, data, plaintext)) {
    return -DROP_RX_AUTH;
  }
  windowAccept(window, REPLAY_WINDOW, sequence);
  return openTrailer(data, plaintext);
}

/** The rest of espOpen with AES-CBC. Nothing is decrypted, so no padding looked at, before the ICV is known to be right. */
function openCbc(sa: usize, esn: bool, sequence: u64, esp: usize, length: u32): i32 {
  if (length < CBC_SHORTEST) return -DROP_RX_SHORT;
  const context = saContext(sa);
  const authenticated = length - ICV;
  const icv = aesCbcIcv(context, esp, authenticated, esn, <u32>(sequence >> 32));
  if (v128.any_true(v128.xor(icv, v128.load(esp + authenticated)))) return -DROP_RX_AUTH;
  windowAccept(sa + SA_SEQUENCE, REPLAY_WINDOW, sequence);
  const plaintext = authenticated - CBC_HEAD;
  if ((plaintext & 15) !== 0) return -DROP_RX_TRAILER;
  aesCbcDecrypt(context, esp + IV, esp + ESP_HEAD, esp + CBC_HEAD, plaintext);
  return openTrailer(esp + ESP_HEAD, plaintext);
}

/** Address of SPI and sequence number as authenticated: 8 bytes of the packet, or 12 with the high half between. */
function associatedData(esp: usize, esn: bool, sequence: u64): usize {
  if (!esn) return esp;
  store<u32>(AAD, load<u32>(esp));
  store<u64>(AAD, bswap<u64>(sequence), 4);
  return AAD;
}

/**
 * The 64-bit sequence number whose low half is `low`, given the highest one accepted (RFC 4303 appendix A2.2).
 * Zero, which no window accepts, if it could only lie before the first cycle.
 */
function inferSequence(highest: u64, low: u32): u64 {
  const top = <u32>highest;
  const cycle = <u32>(highest >> 32);
  const bottom = top - (REPLAY_WINDOW - 1);
  let high = cycle;
  if (top >= <u32>REPLAY_WINDOW - 1) {
    // The window lies within one cycle: below it, the number belongs to the next one.
    // (After the last cycle this comes out far below the window, which refuses it.)
    if (low < bottom) high = cycle + 1;
  } else if (low >= bottom) {
    // The window reaches back into the cycle before.
    if (cycle === 0) return 0;
    high = cycle - 1;
  }
  return ((<u64>high) << 32) | low;
}

/** Checks padding and next header of the `length` bytes that were authenticated. Returns as `espOpen`. */
function openTrailer(data: usize, length: u32): i32 {
  const end = data + length;
  const padding = <u32>load<u8>(end - 2);
  const next = <u32>load<u8>(end - 1);
  if (padding + 2 > length) return -DROP_RX_TRAILER;
  const payload = length - padding - 2;
  for (let i: u32 = 0; i < padding; i++) {
    if (<u32>load<u8>(data + payload + i) !== ((i + 1) & 0xff)) return -DROP_RX_TRAILER;
  }
  if (next === NEXT_DUMMY) return -DROP_RX_DUMMY;
  if (next !== NEXT_IPV4 && next !== NEXT_IPV6) return -DROP_RX_TRAILER;
  if (payload === 0 || load<u8>(data) >> 4 !== (next === NEXT_IPV6 ? 6 : 4)) return -DROP_RX_INNER_MALFORMED;
  return payload;
}
