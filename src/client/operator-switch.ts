/** The operator's wish that the traffic goes through a certain gateway, until it does. */
import { VpnrError } from '../errors.js';
import { type Clock, systemClock } from './clock.js';
import type { GatewayPaths } from './paths.js';

/** Time for a tunnel that has to be built first. */
const PATIENCE_MS = 20_000;

export interface Switched {
  gateway: string;
  /** From the wish to the first answer over the gateway's path. */
  ms: number;
}

interface Wish {
  gateway: string;
  resolve(switched: Switched): void;
  reject(error: VpnrError): void;
  cancelTimer(): void;
}

export class OperatorSwitch {
  readonly #paths: GatewayPaths;
  readonly #clock: Clock;
  #wish: Wish | undefined;
  #abandoned = false;

  constructor(paths: GatewayPaths, clock = systemClock) {
    this.#paths = paths;
    this.#clock = clock;
  }

  /** `isThere`: the traffic goes there already. */
  begin(gateway: string, isThere: boolean): Promise<Switched> {
    if (this.#paths.named(gateway) === undefined) {
      const error = new VpnrError('USAGE', `there is no gateway ${gateway}`, {
        remedy: `name one of ${this.#paths.names.join(', ')}`,
      });
      return Promise.reject(error);
    }
    this.#fail(`switching to ${gateway} was wanted instead`);
    if (isThere) return Promise.resolve({ gateway, ms: 0 });
    return new Promise((resolve, reject) => {
      const late = () => this.#fail('it could not be connected in time');
      this.#wish = { gateway, resolve, reject, cancelTimer: this.#clock.after(PATIENCE_MS, late) };
      if (this.#abandoned) this.abandon();
    });
  }

  /** Traffic goes through this gateway now. */
  switched(gateway: string, ms: number): void {
    const wish = this.#wish;
    if (wish?.gateway !== gateway) return;
    this.#wish = undefined;
    wish.cancelTimer();
    wish.resolve({ gateway, ms });
  }

  /** The connection ends: no wish can be fulfilled any more. */
  abandon(): void {
    this.#abandoned = true;
    this.#fail('the connection ends');
  }

  #fail(why: string): void {
    const wish = this.#wish;
    if (wish === undefined) return;
    this.#wish = undefined;
    wish.cancelTimer();
    wish.reject(
      new VpnrError('GATEWAY_TIMEOUT', `the traffic does not go through ${wish.gateway}: ${why}`, {
        remedy: 'see "vpnr status" for the state of each gateway',
      }),
    );
  }
}
