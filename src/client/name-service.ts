/** Which name servers the system asks while the tunnel is up, and which are asked for the gateways' addresses. */
import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { ClientConfig } from '../config/client.js';
import { toVpnrError } from '../errors.js';
import type { NetworkChanges } from '../io/changes.js';
import { type NameServers, RESOLV_CONF, systemNameServers } from '../io/name-servers.js';
import { isResolvConfOf, putBackResolvConf, resolvConfBefore } from '../io/resolv-conf.js';
import { contains, parseAddress, parsePrefix } from '../prefix.js';

/** Of a question to a name server outside. */
const QUERY = { timeout: 1000, tries: 2 };
/** A route for everything, or for a half of it, names no network. */
const DEFAULT_LENGTH = 1;

export class NameService {
  readonly #config: ClientConfig;
  readonly #changes: NetworkChanges;
  readonly #notice: (message: string) => void;
  /** What the system asks by way of the tunnel now. */
  #inside: NameServers | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(config: ClientConfig, changes: NetworkChanges, notice: (message: string) => void) {
    this.#config = config;
    this.#changes = changes;
    this.#notice = notice;
    // What a predecessor left when the machine was restarted under it: the journal does not survive that.
    putBackResolvConf(config.name);
  }

  /**
   * Has the system ask the servers that are configured, or that the gateway assigned; none: those of before. Resolves when it
   * does, or a notice has told why not.
   */
  use(assigned: NameServers): Promise<void> {
    const { dns } = this.#config.tunnel;
    if (dns === 'off') return Promise.resolve();
    const wanted = dns === 'auto' ? assigned : dns;
    this.#last = this.#last.then(async () => {
      try {
        await this.#use(wanted);
      } catch (error) {
        this.#notice(`the name servers cannot be set: ${toVpnrError(error).message}`);
      }
    });
    return this.#last;
  }

  /** The servers of before: those that can be asked outside the tunnel. They may come from anybody who answers for DHCP. */
  outside(): string[] {
    const { name } = this.#config;
    const servers = systemNameServers(isResolvConfOf(name) ? resolvConfBefore(name) : RESOLV_CONF);
    return servers.filter(server => !this.#inside?.servers.includes(server) && !this.#isWithin(server));
  }

  /** Whether it lies in a network that the configuration leads through the tunnel: no name server outside takes its traffic out. */
  #isWithin(server: string): boolean {
    return this.#config.tunnel.routes.some(route => {
      const prefix = parsePrefix(route);
      return prefix.length > DEFAULT_LENGTH && contains(prefix, parseAddress(server));
    });
  }

  /** An address of the host, from the servers of before while the system asks others. Throws what the search says. */
  async lookUp(host: string): Promise<string> {
    const servers = this.#inside === undefined ? [] : this.outside();
    if (servers.length > 0) {
      const resolver = new Resolver(QUERY);
      resolver.setServers(servers.map(server => (isIP(server) === 6 ? `[${server}]` : server)));
      // Not whichever answers first: the machine may have no IPv6.
      const found = await resolver
        .resolve4(host)
        .catch(() => resolver.resolve6(host))
        .catch(() => []);
      if (found[0] !== undefined) return found[0];
    }
    // Also finds what stands in /etc/hosts.
    return (await lookup(host)).address;
  }

  async #use(wanted: NameServers): Promise<void> {
    const { name, gateways, tunnel } = this.#config;
    if (JSON.stringify(wanted) === JSON.stringify(this.#inside)) return;
    if (wanted.servers.length === 0) {
      if (this.#inside !== undefined) await this.#changes.forgetNameServers();
      this.#inside = undefined;
      return;
    }
    const outside = this.outside();
    const takesAll = tunnel.routes.some(route => parsePrefix(route).length === 0);
    const isSet = await this.#changes.setNameServers(name, wanted, takesAll || wanted.search.length === 0);
    if (!isSet) return this.#notice(`${RESOLV_CONF} was changed by another program, and is left alone`);
    this.#inside = wanted;
    if (gateways.every(({ address }) => isIP(address.host) !== 0)) return;
    for (const server of outside) {
      if (!wanted.servers.includes(server)) await this.#changes.keepOutside(server);
    }
  }
}
