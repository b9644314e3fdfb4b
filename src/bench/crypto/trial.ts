/** One suite at one size: three implementations that must agree, then measured in turn. */
import { VpnrError } from '../../errors.js';
import { BATCH } from '../../packet/abi.js';
import { median } from '../statistics.js';
import { timed } from '../stopwatch.js';
import type { Implementation, ImplementationName, Operation } from './implementation.js';
import { noble, node } from './others.js';
import { aeadIvs, isCbc, type Keys, makePackets } from './packets.js';
import type { Wasm } from './wasm.js';

export interface Effort {
  /** At least. */
  rounds: number;
  /** At least, of all rounds of all implementations together. */
  ms: number;
}

export type Times = Record<ImplementationName, number>;

export class Trial {
  readonly #implementations: readonly Implementation[];
  readonly #expected: Record<Operation, readonly Uint8Array[]>;
  readonly #label: string;

  constructor(wasm: Wasm, keys: Keys, size: number) {
    const packets = makePackets(keys, size, isCbc(keys.suite) ? wasm.cbcIvs(keys) : aeadIvs());
    const reference = node(keys, packets, []);
    reference.run('seal');
    const sealed = packets.map((_, index) => Uint8Array.from(reference.result(index, 'seal')));
    this.#expected = { seal: sealed, open: packets.map(({ plaintext }) => plaintext) };
    this.#implementations = [
      wasm.implementation(keys, packets, sealed),
      node(keys, packets, sealed),
      noble(keys, packets, sealed),
    ];
    this.#label = `${keys.suite}, ${size} bytes`;
  }

  /** Throws INTERNAL unless all seal and open the same to the byte, and refuse a packet that was changed. */
  check(): void {
    for (const implementation of this.#implementations) {
      for (const operation of ['seal', 'open'] as const) {
        implementation.prepare(operation);
        implementation.run(operation);
        this.#expected[operation].forEach((expected, index) => {
          if (Buffer.compare(implementation.result(index, operation), expected) !== 0) {
            throw new VpnrError(
              'INTERNAL',
              `${implementation.name} does not ${operation} as node: ${this.#label}`,
            );
          }
        });
      }
      implementation.prepare('open');
      implementation.spoil(BATCH - 1);
      if (!refuses(implementation)) {
        throw new VpnrError('INTERNAL', `${implementation.name} opens a changed packet: ${this.#label}`);
      }
    }
  }

  /** Microseconds for one packet with each implementation, in the median round. */
  measure(operation: Operation, { rounds, ms }: Effort): Times {
    const times: Record<ImplementationName, number[]> = { wasm: [], node: [], noble: [] };
    const started = performance.now();
    for (let round = 0; round < rounds || performance.now() - started < ms; round++) {
      for (const implementation of this.#implementations) {
        implementation.prepare(operation);
        times[implementation.name].push(timed(() => implementation.run(operation)) / BATCH);
      }
    }
    return { wasm: median(times.wasm), node: median(times.node), noble: median(times.noble) };
  }
}

function refuses(implementation: Implementation): boolean {
  try {
    implementation.run('open');
    return false;
  } catch {
    return true;
  }
}
