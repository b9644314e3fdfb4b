/** A charon in a network namespace, and sessions with it by our end of IKE, each a process of its own. */
import { fileURLToPath } from 'node:url';
import type { Endpoint, IkeOutput, IkeProposal } from '../../src/ike/api.js';
import {
  gatewayConfiguration,
  type Lab,
  type LabPlan,
  type LabProcess,
  StrongSwan,
  until,
} from '../../src/lab/index.js';
import type { Block } from '../../src/lab/strongswan-config.js';
import type { EspCounts, IkeEndOptions } from './ike-end.js';
import { withLab } from './support.js';

const PROGRAM = fileURLToPath(new URL('./ike-end.js', import.meta.url));

export const PLAN: LabPlan = {
  networks: ['outside', 'inside'],
  hosts: {
    client: { links: { outside: { addresses: ['192.0.2.1/24', '192.0.2.11/24'] } } },
    gateway: {
      links: {
        outside: { addresses: ['192.0.2.2/24'] },
        // The gateway needs an address on a network behind it.
        inside: { addresses: ['10.20.0.1/16'] },
      },
      sysctls: { 'net.ipv4.ip_forward': '1' },
      privateRun: true,
    },
  },
};

export const IDENTITY = 'tokyo.example.net';
export const PSK = 'a secret of the test';
export const PROPOSAL: IkeProposal = { encryption: 'chacha20poly1305', prf: 'prfsha256', group: 'x25519' };
const HOUR = 3600_000;

const END: IkeEndOptions = {
  identity: 'client1',
  peerIdentity: IDENTITY,
  psk: PSK,
  ike: [PROPOSAL],
  esp: ['chacha20poly1305', 'aes256gcm16'],
  lifetimes: { ikeMs: HOUR, childMs: HOUR },
  local: { address: '192.0.2.1', port: 4500 },
  remote: { address: '192.0.2.2', port: 4500 },
  target: '10.20.0.1',
};

type Gateway = Omit<Parameters<typeof gatewayConfiguration>[0], 'identity' | 'pool' | 'clients'>;

/** A running charon and what it takes to talk to it. */
export class Bench {
  readonly lab: Lab;
  readonly charon: StrongSwan;
  readonly #count = { ends: 0 };

  constructor(lab: Lab, charon: StrongSwan) {
    this.lab = lab;
    this.charon = charon;
  }

  /** Starts a session. */
  end(more: Partial<IkeEndOptions> = {}): End {
    const options = { ...END, ...more };
    this.#count.ends += 1;
    const name = `ike-${this.#count.ends}`;
    return new End(
      this.lab.host('client').spawn([process.execPath, PROGRAM, JSON.stringify(options)], { name }),
    );
  }
}

/** A session that is going on. */
export class End {
  readonly #process: LabProcess;

  constructor(process: LabProcess) {
    this.#process = process;
  }

  outputs<T extends IkeOutput['type']>(type: T): Extract<IkeOutput, { type: T }>[] {
    return this.#process.lines
      .map(line => JSON.parse(line) as IkeOutput)
      .filter((output): output is Extract<IkeOutput, { type: T }> => output.type === type);
  }

  /** Waits until there were `count` outputs of a type; gives the last of them. */
  async output<T extends IkeOutput['type']>(type: T, count = 1): Promise<Extract<IkeOutput, { type: T }>> {
    return until(`${count} outputs "${type}"`, 60_000, () => this.outputs(type)[count - 1]);
  }

  /** Goes on at another address. `quietly`: as if a NAT had done it. */
  move({ address, port }: Endpoint, quietly = false): void {
    this.#process.write(`${quietly ? 'slip' : 'move'} ${address} ${port}\n`);
  }

  write(command: 'rekey-child' | 'rekey-ike' | 'probe' | 'close' | 'pause' | 'resume'): void {
    this.#process.write(`${command}\n`);
  }

  async counts(): Promise<EspCounts> {
    const before = this.#process.lines.length;
    this.#process.write('stats\n');
    const line = await until('the counts', 30_000, () =>
      this.#process.lines.slice(before).find(text => text.includes('"stats"')),
    );
    return JSON.parse(line) as EspCounts;
  }

  /** Waits until echo requests are answered, from now on. */
  async echoes(): Promise<void> {
    const { received } = await this.counts();
    await until(
      'echo replies',
      30_000,
      async () => (await this.counts()).received > received + 5 || undefined,
    );
  }

  async stop(): Promise<void> {
    this.write('close');
    await this.kill();
  }

  /** Waits for the end of the session, and ends the process. */
  async kill(): Promise<Extract<IkeOutput, { type: 'closed' }>> {
    const closed = await this.output('closed');
    await this.#process.kill();
    return closed;
  }
}

/** Runs a charon for `body`, as a gateway of this kind. */
export async function withCharon(
  gateway: Gateway,
  body: (bench: Bench) => Promise<void>,
  charonSettings: Block = {},
): Promise<void> {
  await withLab(PLAN, async lab => {
    const charon = new StrongSwan(lab.host('gateway'), {
      swanctl: configuration(gateway),
      charon: charonSettings,
    });
    await charon.start();
    await body(new Bench(lab, charon));
  });
}

export function configuration(gateway: Gateway): Block {
  return gatewayConfiguration({
    identity: IDENTITY,
    pool: '10.61.0.0/24',
    clients: [{ identity: 'client1', psk: PSK }],
    dns: ['10.20.0.53'],
    ...gateway,
  });
}
