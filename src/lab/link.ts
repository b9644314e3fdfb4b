import { mustRun } from './command.js';

/** As seen from the host: `in` is what it receives, `out` what it sends. */
export type Direction = 'in' | 'out' | 'both';

export interface DropOptions {
  direction: Direction;
  /** Only datagrams from or to this UDP port; all of IP when absent. */
  udpPort?: number;
}

/**
 * A host's attachment to a network: a pair of interfaces, one in the host, the other a port of the network's
 * bridge in the core namespace. Faults are made at the port, where the host cannot see them.
 */
export class Link {
  /** The interface's name in the host. */
  readonly name: string;
  /** With its prefix length, as in "192.0.2.2/24". */
  readonly addresses: readonly string[];
  readonly #core: string;
  readonly #port: string;

  constructor(core: string, port: string, name: string, addresses: readonly string[]) {
    this.#core = core;
    this.#port = port;
    this.name = name;
    this.addresses = addresses;
  }

  /** Cuts the line: the host's interface loses its carrier. */
  async down(): Promise<void> {
    await mustRun(['ip', '-n', this.#core, 'link', 'set', this.#port, 'down']);
  }

  async up(): Promise<void> {
    await mustRun(['ip', '-n', this.#core, 'link', 'set', this.#port, 'up']);
  }

  /**
   * Packets vanish and nobody is told: the carrier stays and ARP is still answered, so no router reports an
   * unreachable host. Replaces an earlier `drop`.
   */
  async drop({ direction, udpPort }: DropOptions): Promise<void> {
    const what =
      udpPort === undefined
        ? ['meta protocol { ip, ip6 }']
        : [`udp dport ${udpPort}`, `udp sport ${udpPort}`];
    const ports = [
      ...(direction === 'in' ? [] : [`iifname "${this.#port}"`]),
      ...(direction === 'out' ? [] : [`oifname "${this.#port}"`]),
    ];
    const rules = ports.flatMap(port => what.map(match => `    ${port} ${match} counter drop`));
    await this.#replaceRules([
      `table bridge ${this.#port} {`,
      '  chain forward {',
      '    type filter hook forward priority 0; policy accept;',
      ...rules,
      '  }',
      '}',
    ]);
  }

  /** Ends a `drop`. */
  async restore(): Promise<void> {
    await this.#replaceRules([]);
  }

  async #replaceRules(table: readonly string[]): Promise<void> {
    const input = [`table bridge ${this.#port} {}`, `delete table bridge ${this.#port}`, ...table, ''].join(
      '\n',
    );
    await mustRun(['ip', 'netns', 'exec', this.#core, 'nft', '-f', '-'], { input });
  }
}
