/** Sends the policy's probes: to the relay through a gateway, or without a relay to the gateway itself. */
import type { ClientDataPlane } from '../dataplane/api.js';
import { IkeProbe } from './ike-probe.js';
import type { GatewayPaths } from './paths.js';
import type { RelaySide } from './relay-side.js';

export class Probing {
  readonly #plane: ClientDataPlane;
  readonly #paths: GatewayPaths;
  readonly #relay: RelaySide | undefined;
  readonly #ikeProbes = new Map<number, IkeProbe>();

  constructor(plane: ClientDataPlane, paths: GatewayPaths, relay: RelaySide | undefined) {
    this.#plane = plane;
    this.#paths = paths;
    this.#relay = relay;
  }

  probe(gateway: number, id: number, now: number): void {
    if (this.#relay !== undefined) {
      if (this.#relay.bound) this.#plane.probe(gateway, id);
      return;
    }
    const probe = this.#ikeProbes.get(gateway) ?? new IkeProbe();
    this.#ikeProbes.set(gateway, probe);
    probe.due(id, now);
    this.#paths.probe(gateway);
  }

  /** The gateway has a new tunnel: what was asked by the one of before is not answered any more. */
  renewed(gateway: number): void {
    this.#ikeProbes.get(gateway)?.forget();
  }

  /** The gateway answered over IKE: the last probe that this answers, and since when one was due. */
  gatewayAnswered(gateway: number, now: number): { id: number; waitedMs: number } | undefined {
    return this.#ikeProbes.get(gateway)?.answered(now);
  }
}
