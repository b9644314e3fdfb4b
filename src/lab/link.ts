import { VpnrError } from '../errors.js';
import { mustRun } from './command.js';
import type { Direction, Line } from './line/line.js';
import type { LaneCounters, LaneSettings } from './line/settings.js';

export interface DropOptions {
  direction: Direction;
  /** Only datagrams from or to this UDP port; all of IP when absent. */
  udpPort?: number;
}

export interface LinkOptions {
  /** The core namespace's name. */
  core: string;
  /** The port's name there. */
  port: string;
  /** The interface's name in the host. */
  name: string;
  addresses: readonly string[];
  /** What joins the two when the link has a delay, jitter, loss or rate. */
  line?: Line | undefined;
}

/**
 * A host's attachment to a network: a pair of interfaces, one in the host, the other a port of the network's
 * bridge in the core namespace. Faults are made at the port or on the line, where the host cannot see them.
 */
export class Link {
  /** The interface's name in the host. */
  readonly name: string;
  /** With its prefix length, as in "192.0.2.2/24". */
  readonly addresses: readonly string[];
  readonly #core: string;
  readonly #port: string;
  readonly #line: Line | undefined;
  #ruled = false;

  constructor({ core, port, name, addresses, line }: LinkOptions) {
    this.#core = core;
    this.#port = port;
    this.name = name;
    this.addresses = addresses;
    this.#line = line;
  }

  /** Cuts the line: the host's interface loses its carrier. */
  async down(): Promise<void> {
    if (this.#line === undefined) await this.#setPort('down');
    else this.#line.setCarrier(false);
  }

  async up(): Promise<void> {
    if (this.#line === undefined) await this.#setPort('up');
    else this.#line.setCarrier(true);
  }

  /** Changes delay, jitter, loss or rate from now on. Only for a link that was planned with a line (else LAB_FAILED). */
  shape(settings: LaneSettings, direction: Direction = 'both'): void {
    this.#shaped.shape(settings, direction);
  }

  /** What has become of the frames of its line. */
  get counters(): Record<'in' | 'out', LaneCounters> {
    return this.#shaped.counters;
  }

  /**
   * Packets vanish and nobody is told: the carrier stays and ARP is still answered, so no router reports an
   * unreachable host. Replaces an earlier `drop`.
   */
  async drop({ direction, udpPort }: DropOptions): Promise<void> {
    if (this.#line !== undefined && udpPort === undefined) {
      this.#line.shape({ blackhole: direction !== 'out' }, 'in');
      this.#line.shape({ blackhole: direction !== 'in' }, 'out');
      return;
    }
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
    this.#line?.shape({ blackhole: false });
    if (this.#ruled) await this.#replaceRules([]);
  }

  get #shaped(): Line {
    if (this.#line !== undefined) return this.#line;
    throw new VpnrError('LAB_FAILED', `the link ${this.name} is a plain one: it has no line to be shaped`);
  }

  async #setPort(state: 'up' | 'down'): Promise<void> {
    await mustRun(['ip', '-n', this.#core, 'link', 'set', this.#port, state]);
  }

  async #replaceRules(table: readonly string[]): Promise<void> {
    this.#ruled = table.length > 0;
    const input = [`table bridge ${this.#port} {}`, `delete table bridge ${this.#port}`, ...table, ''].join(
      '\n',
    );
    await mustRun(['ip', 'netns', 'exec', this.#core, 'nft', '-f', '-'], { input });
  }
}
