/**
 * The packet core, used as the data plane does: packets lie in slots of its memory and are sealed and opened in place, a batch
 * at a time. AEADs are measured alone, AES-CBC with the rest of ESP, which the core does together.
 */
import {
  AEAD_CONTEXT_SIZE,
  BATCH,
  OK,
  REPLAY_WINDOW,
  SA_IN,
  SA_INDEX_MASK,
  SA_OUT,
  SA_RECORD_SIZE,
  SA_SEQUENCE,
  SLOT_SIZE,
  SUITE_AES_128_GCM,
  SUITE_AES_256_GCM,
  SUITE_CHACHA20_POLY1305,
} from '../../packet/abi.js';
import { PacketCore, type Selector } from '../../packet/core.js';
import type { Implementation } from './implementation.js';
import { type CryptoSuite, HEADER_BYTES, isCbc, type Keys, type Packet, SPI, TAG_BYTES } from './packets.js';

const AEADS: Partial<Record<CryptoSuite, number>> = {
  chacha20poly1305: SUITE_CHACHA20_POLY1305,
  aes128gcm16: SUITE_AES_128_GCM,
  aes256gcm16: SUITE_AES_256_GCM,
};

// Above all that the core itself uses.
const KEY = 0xc000000;
const CONTEXT = KEY + 4096;
const SLOTS = CONTEXT + 2 * AEAD_CONTEXT_SIZE;
const AEAD_IV_BYTES = 8;
const CBC_IV_BYTES = 16;
/** In a slot an ESP packet begins here, and behind header and 8 bytes of IV what is sealed. */
const ESP = 64;
const DATA = ESP + HEADER_BYTES + AEAD_IV_BYTES;
const CBC_DATA = ESP + HEADER_BYTES + CBC_IV_BYTES;
/** An inbound SPI has its place in the table in its low bits. */
const INDEX = SPI & SA_INDEX_MASK;
const ANY: Selector = {
  family: 4,
  protocol: 0,
  firstPort: 0,
  lastPort: 65535,
  first: '0.0.0.0',
  last: '255.255.255.255',
};

const slot = (index: number) => SLOTS + index * SLOT_SIZE;

export class Wasm {
  readonly #core = new PacketCore();

  constructor() {
    this.#core.initClient(0n);
  }

  implementation(keys: Keys, packets: readonly Packet[], sealed: readonly Uint8Array[]): Implementation {
    return isCbc(keys.suite) ? this.#cbc(keys, packets, sealed) : this.#aead(keys, packets, sealed);
  }

  /** The IVs that the core takes for the sequence numbers from 1 on; they depend on the keys alone. */
  cbcIvs(keys: Keys): Uint8Array[] {
    this.#installCbc(keys);
    return Array.from({ length: BATCH }, () => {
      const { bytes, exports } = this.#core;
      bytes[SLOTS + DATA] = 0x45;
      exports.espSeal(SA_OUT + INDEX * SA_RECORD_SIZE, SLOTS + DATA, 1);
      return bytes.slice(SLOTS + ESP + HEADER_BYTES, SLOTS + CBC_DATA);
    });
  }

  #aead(
    { suite, key, salt }: Keys,
    packets: readonly Packet[],
    sealed: readonly Uint8Array[],
  ): Implementation {
    const { bytes, exports } = this.#core;
    const code = AEADS[suite] ?? 0;
    const size = packets[0]?.plaintext.length ?? 0;
    bytes.set(key, KEY);
    bytes.set(salt, KEY + key.length);
    check('aeadInstall', exports.aeadInstall(code, CONTEXT, KEY));
    return {
      name: 'wasm',
      prepare(operation) {
        packets.forEach(({ header, iv, plaintext }, index) => {
          const at = slot(index);
          bytes.set(header, at + ESP);
          bytes.set(iv, at + ESP + HEADER_BYTES);
          bytes.set(operation === 'seal' ? plaintext : (sealed[index] ?? []), at + DATA);
        });
      },
      run(operation) {
        const end = slot(BATCH);
        if (operation === 'seal') {
          for (let at = SLOTS; at < end; at += SLOT_SIZE) {
            const esp = at + ESP;
            exports.aeadSeal(code, CONTEXT, esp + HEADER_BYTES, esp, HEADER_BYTES, at + DATA, size);
          }
          exports.aeadFinish();
          return;
        }
        for (let at = SLOTS; at < end; at += SLOT_SIZE) {
          const esp = at + ESP;
          if (exports.aeadOpen(code, CONTEXT, esp + HEADER_BYTES, esp, HEADER_BYTES, at + DATA, size) === 0) {
            throw new Error('a tag is wrong');
          }
        }
      },
      result(index, operation) {
        const at = slot(index) + DATA;
        return bytes.subarray(at, at + size + (operation === 'seal' ? TAG_BYTES : 0));
      },
      spoil: index => this.#spoil(slot(index) + DATA),
    };
  }

  #cbc(keys: Keys, packets: readonly Packet[], sealed: readonly Uint8Array[]): Implementation {
    const { bytes, exports } = this.#core;
    const size = packets[0]?.plaintext.length ?? 0;
    const length = sealed[0]?.length ?? 0;
    const [sender, receiver] = this.#installCbc(keys);
    return {
      name: 'wasm',
      prepare: operation => {
        // The same sequence numbers again: the same packets come out, and none is a replay.
        exports.windowReset(
          operation === 'seal' ? sender + SA_SEQUENCE : receiver + SA_SEQUENCE,
          REPLAY_WINDOW,
        );
        packets.forEach(({ plaintext }, index) => {
          if (operation === 'seal') bytes.set(plaintext, slot(index) + DATA);
          else bytes.set(sealed[index] ?? [], slot(index) + ESP);
        });
      },
      run(operation) {
        const end = slot(BATCH);
        if (operation === 'seal') {
          for (let at = SLOTS; at < end; at += SLOT_SIZE) exports.espSeal(sender, at + DATA, size);
          return;
        }
        for (let at = SLOTS; at < end; at += SLOT_SIZE) {
          if (exports.espOpen(receiver, at + ESP, length) < 0) throw new Error('an ICV is wrong');
        }
      },
      result(index, operation) {
        const at = slot(index);
        return operation === 'seal'
          ? bytes.subarray(at + ESP, at + ESP + length)
          : bytes.subarray(at + DATA, at + DATA + size);
      },
      spoil: index => this.#spoil(slot(index) + CBC_DATA),
    };
  }

  #spoil(at: number): void {
    const { view } = this.#core;
    view.setUint8(at, view.getUint8(at) ^ 1);
  }

  /** The records of both directions, installed anew. */
  #installCbc({ suite, key, salt }: Keys): [sender: number, receiver: number] {
    for (const direction of ['out', 'in'] as const) {
      this.#core.removeSa(direction, INDEX);
      this.#core.installSa({
        direction,
        index: INDEX,
        spi: SPI,
        suite,
        path: 0,
        key: Buffer.concat([key, salt]),
        local: [ANY],
        remote: [ANY],
      });
    }
    return [SA_OUT + INDEX * SA_RECORD_SIZE, SA_IN + INDEX * SA_RECORD_SIZE];
  }
}

function check(call: string, status: number): void {
  if (status !== OK) throw new Error(`${call} returned ${status}`);
}
