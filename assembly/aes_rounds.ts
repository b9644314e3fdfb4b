// The rounds of AES (FIPS 197, section 5.1) on bit-sliced states (aes.ts).
//
// ShiftRows is not carried out: after round r the bytes stand where ShiftRows, done r times, would have taken them from.
// The bytes that MixColumns adds then stand elsewhere in each round, but four times ShiftRows is nothing, so there are
// four ways; the round keys are moved once, and the ciphertext at the end (the "fixslicing" of Adomnicai and Peyrin, 2020).

import { AES_GROUP } from './aes';

/** For each byte the place of the one below it in its column: after rounds whose number modulo four is 0, 1, 2 and 3. */
export const AES_BELOW: usize = memory.data<u8>(
  [
    1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3,
    0, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10,
    11, 8,
  ],
  16,
);
/** And of the one below that: after even rounds and after odd ones. */
export const AES_OPPOSITE: usize = memory.data<u8>(
  [
    2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4,
    5,
  ],
  16,
);

// What a round is as a type argument, by its number modulo four: so the compiler makes a function of each, in which the
// places of bytes are constants. The types' sizes tell them apart.
type Round0 = u8;
type Round1 = u16;
type Round2 = u32;
type Round3 = u64;
type LastRound = f64;

/**
 * Carries out rounds `round` to `end` on `groups` states, one behind the other, to which the keys of the round before were
 * added. Round `last`, if it comes to it, is the last one: it has no MixColumns, and nothing comes after it.
 *
 * Each round goes over all states: while the processor is at the end of one, where little can be done at once, it begins
 * with the next.
 */
export function aesRounds(
  states: usize,
  groups: u32,
  roundKeys: usize,
  round: u32,
  end: u32,
  last: u32,
): void {
  const statesEnd = states + groups * AES_GROUP;
  for (; ; round++) {
    const key = roundKeys + round * AES_GROUP;
    if (round === last) {
      pass<LastRound>(states, statesEnd, key);
      return;
    }
    switch (round & 3) {
      case 0:
        pass<Round0>(states, statesEnd, key);
        break;
      case 1:
        pass<Round1>(states, statesEnd, key);
        break;
      case 2:
        pass<Round2>(states, statesEnd, key);
        break;
      default:
        pass<Round3>(states, statesEnd, key);
    }
    if (round === end) return;
  }
}

/** One round of all states. */
function pass<T>(states: usize, statesEnd: usize, key: usize): void {
  for (let state = states; state !== statesEnd; state += AES_GROUP) {
    // As in the circuit's paper x0 and s0 are the highest bits: they are vector 7 of a state.
    const x0 = v128.load(state, 112);
    const x1 = v128.load(state, 96);
    const x2 = v128.load(state, 80);
    const x3 = v128.load(state, 64);
    const x4 = v128.load(state, 48);
    const x5 = v128.load(state, 32);
    const x6 = v128.load(state, 16);
    const x7 = v128.load(state);
    // SubBytes without its constant: the circuit of Boyar and Peralta, "A new combinational logic minimization technique
    // with applications to cryptology" (2009), 32 ANDs and 79 XORs.
    // top linear layer
    const y14 = v128.xor(x3, x5);
    const y13 = v128.xor(x0, x6);
    const y9 = v128.xor(x0, x3);
    const y8 = v128.xor(x0, x5);
    const t0 = v128.xor(x1, x2);
    const y1 = v128.xor(t0, x7);
    const y4 = v128.xor(y1, x3);
    const y12 = v128.xor(y13, y14);
    const y2 = v128.xor(y1, x0);
    const y5 = v128.xor(y1, x6);
    const y3 = v128.xor(y5, y8);
    const t1 = v128.xor(x4, y12);
    const y15 = v128.xor(t1, x5);
    const y20 = v128.xor(t1, x1);
    const y6 = v128.xor(y15, x7);
    const y10 = v128.xor(y15, t0);
    const y11 = v128.xor(y20, y9);
    const y7 = v128.xor(x7, y11);
    const y17 = v128.xor(y10, y11);
    const y19 = v128.xor(y10, y8);
    const y16 = v128.xor(t0, y11);
    const y21 = v128.xor(y13, y16);
    const y18 = v128.xor(x0, y16);
    // inversion in GF(2^8) by way of GF(2^4)
    const t2 = v128.and(y12, y15);
    const t4 = v128.xor(v128.and(y3, y6), t2);
    const t6 = v128.xor(v128.and(y4, x7), t2);
    const t7 = v128.and(y13, y16);
    const t9 = v128.xor(v128.and(y5, y1), t7);
    const t11 = v128.xor(v128.and(y2, y7), t7);
    const t12 = v128.and(y9, y11);
    const t14 = v128.xor(v128.and(y14, y17), t12);
    const t16 = v128.xor(v128.and(y8, y10), t12);
    const t21 = v128.xor(v128.xor(t4, t14), y20);
    const t22 = v128.xor(v128.xor(t6, t16), y19);
    const t23 = v128.xor(v128.xor(t9, t14), y21);
    const t24 = v128.xor(v128.xor(t11, t16), y18);
    const t25 = v128.xor(t21, t22);
    const t26 = v128.and(t21, t23);
    const t27 = v128.xor(t24, t26);
    const t29 = v128.xor(v128.and(t25, t27), t22);
    const t30 = v128.xor(t23, t24);
    const t31 = v128.xor(t22, t26);
    const t33 = v128.xor(v128.and(t31, t30), t24);
    const t34 = v128.xor(t23, t33);
    const t35 = v128.xor(t27, t33);
    const t36 = v128.and(t24, t35);
    const t37 = v128.xor(t36, t34);
    const t38 = v128.xor(t27, t36);
    const t40 = v128.xor(t25, v128.and(t29, t38));
    const t41 = v128.xor(t40, t37);
    const t42 = v128.xor(t29, t33);
    const t43 = v128.xor(t29, t40);
    const t44 = v128.xor(t33, t37);
    const t45 = v128.xor(t42, t41);
    const z0 = v128.and(t44, y15);
    const z1 = v128.and(t37, y6);
    const z2 = v128.and(t33, x7);
    const z3 = v128.and(t43, y16);
    const z4 = v128.and(t40, y1);
    const z5 = v128.and(t29, y7);
    const z6 = v128.and(t42, y11);
    const z7 = v128.and(t45, y17);
    const z8 = v128.and(t41, y10);
    const z9 = v128.and(t44, y12);
    const z10 = v128.and(t37, y3);
    const z11 = v128.and(t33, y4);
    const z12 = v128.and(t43, y13);
    const z13 = v128.and(t40, y5);
    const z14 = v128.and(t29, y2);
    const z15 = v128.and(t42, y9);
    const z16 = v128.and(t45, y14);
    const z17 = v128.and(t41, y8);
    // bottom linear layer
    const t46 = v128.xor(z15, z16);
    const t47 = v128.xor(z10, z11);
    const t48 = v128.xor(z5, z13);
    const t49 = v128.xor(z9, z10);
    const t50 = v128.xor(z2, z12);
    const t51 = v128.xor(z2, z5);
    const t52 = v128.xor(z7, z8);
    const t53 = v128.xor(z0, z3);
    const t54 = v128.xor(z6, z7);
    const t55 = v128.xor(z16, z17);
    const t56 = v128.xor(z12, t48);
    const t57 = v128.xor(t50, t53);
    const t58 = v128.xor(z4, t46);
    const t59 = v128.xor(z3, t54);
    const t60 = v128.xor(t46, t57);
    const t61 = v128.xor(z14, t57);
    const t62 = v128.xor(t52, t58);
    const t63 = v128.xor(t49, t58);
    const t64 = v128.xor(z4, t59);
    const t65 = v128.xor(t61, t62);
    const t66 = v128.xor(z1, t63);
    const t67 = v128.xor(t64, t65);
    const s3 = v128.xor(t53, t66);
    const s0 = v128.xor(t59, t63);
    const s1 = v128.xor(t64, s3);
    const s2 = v128.xor(t55, t67);
    const s4 = v128.xor(t51, t66);
    const s5 = v128.xor(t47, t65);
    const s6 = v128.xor(t56, t62);
    const s7 = v128.xor(t48, t60);
    if (isFloat<T>()) {
      v128.store(state, v128.xor(s0, v128.load(key, 112)), 112);
      v128.store(state, v128.xor(s1, v128.load(key, 96)), 96);
      v128.store(state, v128.xor(s2, v128.load(key, 80)), 80);
      v128.store(state, v128.xor(s3, v128.load(key, 64)), 64);
      v128.store(state, v128.xor(s4, v128.load(key, 48)), 48);
      v128.store(state, v128.xor(s5, v128.load(key, 32)), 32);
      v128.store(state, v128.xor(s6, v128.load(key, 16)), 16);
      v128.store(state, v128.xor(s7, v128.load(key)));
    } else {
      // MixColumns: from the bytes a, b, c, d of a column comes 2 (a + b) + b + (c + d) in the place of a. Let m be a + b;
      // c + d is m two places on, and doubling moves m one bit up and adds 0x1b where bit 7 (m0) was set.
      const b0 = below<T>(s0);
      const m0 = v128.xor(s0, b0);
      const b1 = below<T>(s1);
      const m1 = v128.xor(s1, b1);
      const b2 = below<T>(s2);
      const m2 = v128.xor(s2, b2);
      const b3 = below<T>(s3);
      const m3 = v128.xor(s3, b3);
      const b4 = below<T>(s4);
      const m4 = v128.xor(s4, b4);
      const b5 = below<T>(s5);
      const m5 = v128.xor(s5, b5);
      const b6 = below<T>(s6);
      const m6 = v128.xor(s6, b6);
      const b7 = below<T>(s7);
      const m7 = v128.xor(s7, b7);
      v128.store(state, mixed(m1, b0, opposite<T>(m0), v128.load(key, 112)), 112);
      v128.store(state, mixed(m2, b1, opposite<T>(m1), v128.load(key, 96)), 96);
      v128.store(state, mixed(m3, b2, opposite<T>(m2), v128.load(key, 80)), 80);
      v128.store(state, mixed(v128.xor(m4, m0), b3, opposite<T>(m3), v128.load(key, 64)), 64);
      v128.store(state, mixed(v128.xor(m5, m0), b4, opposite<T>(m4), v128.load(key, 48)), 48);
      v128.store(state, mixed(m6, b5, opposite<T>(m5), v128.load(key, 32)), 32);
      v128.store(state, mixed(v128.xor(m7, m0), b6, opposite<T>(m6), v128.load(key, 16)), 16);
      v128.store(state, mixed(m0, b7, opposite<T>(m7), v128.load(key)));
    }
  }
}

/** Twice m, plus b, plus m two places on, plus the round key. */
function mixed(doubled: v128, b: v128, opposite: v128, roundKey: v128): v128 {
  return v128.xor(v128.xor(doubled, roundKey), v128.xor(b, opposite));
}

/** The next byte of the column for each byte. */
function below<T>(x: v128): v128 {
  if (sizeof<T>() === sizeof<Round0>()) return moved(x, AES_BELOW);
  if (sizeof<T>() === sizeof<Round1>()) return moved(x, AES_BELOW + 16);
  if (sizeof<T>() === sizeof<Round2>()) return moved(x, AES_BELOW + 32);
  return moved(x, AES_BELOW + 48);
}

/** The next byte but one. */
function opposite<T>(x: v128): v128 {
  if (sizeof<T>() === sizeof<Round0>() || sizeof<T>() === sizeof<Round2>()) return moved(x, AES_OPPOSITE);
  return moved(x, AES_OPPOSITE + 16);
}

function moved(x: v128, places: usize): v128 {
  return i8x16.relaxed_swizzle(x, v128.load(places));
}
