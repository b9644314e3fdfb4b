/**
 * The gateways' addresses. A name is looked up for each attempt, and what was found is remembered: while the tunnel is
 * down, the name server may be behind it (with a default route into the tunnel it often is).
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { GatewayEntry } from '../config/client.js';
import { VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';

/** How long an answer is awaited when an address is known from before. */
const PATIENCE_MS = 1000;

export class GatewayResolver {
  readonly #lookUp: (host: string) => Promise<string>;
  readonly #known = new Map<string, string>();
  /** A name server that does not answer is asked once at a time for each name. */
  readonly #underWay = new Map<string, Promise<string>>();

  /** `lookUp` gives one address of a host name, or throws. */
  constructor(lookUp = async (host: string) => (await lookup(host)).address) {
    this.#lookUp = lookUp;
  }

  /** Throws GATEWAY_UNRESOLVED when the name cannot be found and never could. */
  async resolve({ name, address: { host, port } }: GatewayEntry): Promise<Endpoint> {
    if (isIP(host) !== 0) return { address: host, port };
    const found = this.#find(host);
    const known = this.#known.get(host);
    if (known !== undefined) {
      const late = pause(PATIENCE_MS, known, { ref: false });
      return { address: await Promise.race([found.catch(() => known), late]), port };
    }
    try {
      return { address: await found, port };
    } catch (error) {
      throw new VpnrError('GATEWAY_UNRESOLVED', `gateway ${name}: cannot find the address of ${host}`, {
        remedy: 'check the name, and that a name server answers on this network',
        cause: error,
      });
    }
  }

  /** The addresses of those that can be found within the time; looking for the others goes on. */
  async resolveAll(gateways: readonly GatewayEntry[], withinMs: number): Promise<string[]> {
    const all = Promise.allSettled(gateways.map(gateway => this.resolve(gateway)));
    await Promise.race([all, pause(withinMs, undefined, { ref: false })]);
    return gateways.flatMap(({ address: { host } }) =>
      isIP(host) !== 0 ? host : (this.#known.get(host) ?? []),
    );
  }

  #find(host: string): Promise<string> {
    const underWay = this.#underWay.get(host);
    if (underWay !== undefined) return underWay;
    const found = this.#lookUp(host)
      .then(address => {
        this.#known.set(host, address);
        return address;
      })
      .finally(() => this.#underWay.delete(host));
    this.#underWay.set(host, found);
    return found;
  }
}
