/**
 * The kill switch: while it is on, nothing leaves the machine beside the tunnel, also when no vpnr runs.
 *
 * Its table of nftables has three chains at each hook, one after the other: the first marks packets that may leave, the second
 * drops those without the mark, the third takes the mark off again. With several connections, all their first chains come before
 * any second one, so what one of them allows, all allow.
 */
import { isIP, isIPv6 } from 'node:net';
import type { ClientConfig } from '../config/client.js';
import type { Endpoint } from '../ike/api.js';
import type { NetworkChanges } from '../io/changes.js';
import type { NameService } from './name-service.js';

/** A bit of the packet's mark, which no chain sees but those of kill switches. */
const ALLOWED = 0x4000_0000;
const KEPT = 0xffff_ffff - ALLOWED;
/** Before the chains of other programs that filter (priority 0), after those that change packets (-150) or addresses (-100). */
const FIRST_PRIORITY = -33;

export interface Allowed {
  /** The tunnel's. */
  device: string;
  gateways: readonly Endpoint[];
  /** Those that may be asked for the gateways' addresses. */
  nameServers: readonly string[];
}

export class KillSwitch {
  readonly #table: string;
  readonly #device: string;
  readonly #changes: Pick<NetworkChanges, 'setTable'>;
  readonly #gateways = new Map<string, Endpoint>();
  readonly #byName: boolean;
  readonly #nameService: Pick<NameService, 'outside'>;
  #rules = '';

  private constructor(
    config: ClientConfig,
    changes: Pick<NetworkChanges, 'setTable'>,
    nameService: Pick<NameService, 'outside'>,
  ) {
    this.#nameService = nameService;
    this.#table = `vpnr-${config.name}`;
    this.#device = config.tunnel.device;
    this.#changes = changes;
    for (const { name, address } of config.gateways) {
      if (isIP(address.host) !== 0) this.#gateways.set(name, { address: address.host, port: address.port });
    }
    this.#byName = this.#gateways.size < config.gateways.length;
  }

  /** Turns it on, or takes over what a predecessor left on. Throws MISSING_PROGRAM when there is no nft. */
  static async engage(
    config: ClientConfig,
    changes: Pick<NetworkChanges, 'setTable'>,
    nameService: Pick<NameService, 'outside'>,
  ): Promise<KillSwitch> {
    const killSwitch = new KillSwitch(config, changes, nameService);
    await killSwitch.refresh();
    return killSwitch;
  }

  /** Allows the way to a gateway, by whose name it was found. */
  admit(name: string, endpoint: Endpoint): Promise<void> {
    this.#gateways.set(name, endpoint);
    return this.refresh();
  }

  /** To be called when the system's name servers may have changed. */
  async refresh(): Promise<void> {
    const rules = killSwitchRules({
      device: this.#device,
      gateways: [...this.#gateways.values()],
      nameServers: this.#byName ? this.#nameService.outside() : [],
    });
    if (rules === this.#rules) return;
    await this.#changes.setTable(this.#table, rules);
    this.#rules = rules;
  }
}

/** The content of its table. */
export function killSwitchRules({ device, gateways, nameServers }: Allowed): string {
  const outgoing = [
    `oifname { "lo", "${device}" }`,
    ...gateways.map(({ address, port }) => `${to(address)} udp dport ${port}`),
    // DHCP, of which renewals alone pass here: what comes before an address is sent past the firewall.
    'udp sport 68 udp dport 67',
    'udp sport 546 udp dport 547',
    // Neighbour discovery (RFC 4861), and what bridges listen to so as to let it pass (RFC 3810).
    'ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }',
    'ip6 hoplimit 1 icmpv6 type { mld-listener-report, mld2-listener-report, mld-listener-done }',
    ...nameServers.flatMap(server => [`${to(server)} udp dport 53`, `${to(server)} tcp dport 53`]),
  ];
  const forwarded = [`oifname "${device}"`, `iifname "${device}"`];
  return [...chains('output', outgoing), ...chains('forward', forwarded)].join('\n');
}

function to(address: string): string {
  return `${isIPv6(address) ? 'ip6' : 'ip'} daddr ${address}`;
}

function chains(hook: 'output' | 'forward', allowed: readonly string[]): string[] {
  return [
    allowed.map(match => `${match} meta mark set meta mark or ${ALLOWED} accept`),
    [`meta mark and ${ALLOWED} == 0 counter drop`],
    [`meta mark set meta mark and ${KEPT}`],
  ].map((rules, index) => chain(hook, index, rules));
}

function chain(hook: string, index: number, rules: readonly string[]): string {
  const head = `type filter hook ${hook} priority ${FIRST_PRIORITY + index}; policy accept;`;
  return `chain ${hook}${index} {\n${[head, ...rules].join('\n')}\n}`;
}
