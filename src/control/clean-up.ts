import { toVpnrError, type VpnrError } from '../errors.js';

/** Steps that put things back, the last added first. Each is tried, whatever became of the others. */
export class CleanUp {
  readonly #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Adds a step to be taken after all others. */
  addLast(step: () => unknown): void {
    this.#steps.unshift(step);
  }

  /** Takes every step once; returns what went wrong. */
  async run(): Promise<VpnrError[]> {
    const errors: VpnrError[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        errors.push(toVpnrError(error));
      }
    }
    return errors;
  }
}
