/** Whether the machine, or only this process, has stood still for so long that gateways may have forgotten us. */

/** Gateways ask after less silence than this, but give nobody up for it. */
const STOOD_STILL_MS = 5000;
/** Tunnels that are silent so soon afterwards are taken for forgotten ones. */
const AWAKE_MS = 10_000;

export class Sleep {
  #wokeAt = Number.NEGATIVE_INFINITY;

  /** The system says that it has slept. */
  woke(now: number): void {
    this.#wokeAt = now;
  }

  /** True if nothing has run since long before now: something was `due` by then. */
  notices(due: number | undefined, now: number): boolean {
    if (due === undefined || now - due < STOOD_STILL_MS) return false;
    this.#wokeAt = now;
    return true;
  }

  /** It was over just now. */
  isOver(now: number): boolean {
    return now - this.#wokeAt < AWAKE_MS;
  }
}
