/**
 * The standard laboratory: a client on the internet, gateways in two cities, a relay and a server behind them.
 *
 *                            .-- tokyo ----.
 *   client --- internet ----<               >--- relay --- server
 *                            '-- osaka ----'
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { makeCertificate, makeSecret } from './certificate.js';
import type { Host } from './host.js';
import { type HostPlan, Lab, type LabPlan } from './lab.js';
import type { LabProcess } from './process.js';
import { StrongSwan } from './strongswan.js';
import { type GatewayOptions, gatewayConfiguration } from './strongswan-config.js';
import { Connection, type Program, startRelay } from './vpnr.js';

export const RELAY_ADDRESS = '10.20.0.100';
export const RELAY_PORT = 7511;
export const SERVER_ADDRESS = '10.30.0.10';
export const SERVER_NETWORK = '10.30.0.0/16';
export const RELAY_POOL = '10.30.200.0/24';
export const CLIENT_IDENTITY = 'client1';

export const GATEWAYS = {
  tokyo: {
    outer: '198.51.100.10',
    router: '198.51.100.1',
    inner: '10.20.0.11',
    pool: '10.61.0.0/24',
    identity: 'tokyo.example.net',
  },
  osaka: {
    outer: '203.0.113.10',
    router: '203.0.113.1',
    inner: '10.20.0.12',
    pool: '10.62.0.0/24',
    identity: 'osaka.example.net',
  },
} as const;

export type GatewayName = keyof typeof GATEWAYS;
const NAMES = Object.keys(GATEWAYS) as GatewayName[];
/** The networks between a gateway and the internet are /24, the one behind the gateways is /16. */
const FORWARDING = { 'net.ipv4.ip_forward': '1' };

export interface CityOptions {
  /** How to run vpnr. */
  program: Program;
  /** Beyond the usual, for all gateways. */
  gateways?: Partial<
    Pick<
      GatewayOptions,
      'rekey' | 'dpdSeconds' | 'networks' | 'ikeProposals' | 'espProposals' | 'replayWindow'
    >
  >;
}

/** A configuration file as nested values, to be edited before it is written. */
// biome-ignore lint/suspicious/noExplicitAny: what stands in a file is checked by the program that reads it
export type Configuration = Record<string, any>;

export class City {
  readonly lab: Lab;
  readonly client: Host;
  readonly internet: Host;
  readonly relay: Host;
  readonly server: Host;
  readonly gateways: Record<GatewayName, StrongSwan>;
  /** The relay's fingerprint, as a client pins it. */
  readonly fingerprint: string;
  readonly #program: Program;

  private constructor(
    lab: Lab,
    options: CityOptions,
    gateways: Record<GatewayName, StrongSwan>,
    fingerprint: string,
  ) {
    this.lab = lab;
    this.client = lab.host('client');
    this.internet = lab.host('internet');
    this.relay = lab.host('relay');
    this.server = lab.host('server');
    this.gateways = gateways;
    this.fingerprint = fingerprint;
    this.#program = options.program;
  }

  /** Makes hosts, secrets and certificate, and starts both gateways. */
  static async create(options: CityOptions): Promise<City> {
    const lab = await Lab.create(plan());
    try {
      const client = lab.host('client');
      const relay = lab.host('relay');
      const gateways = Object.fromEntries(
        NAMES.map(name => {
          const psk = makeSecret(join(client.folder, `${name}.psk`));
          const { identity, pool } = GATEWAYS[name];
          const clients = [{ identity: CLIENT_IDENTITY, psk }];
          const swanctl = gatewayConfiguration({ identity, pool, clients, ...options.gateways });
          return [name, new StrongSwan(lab.host(name), { swanctl })];
        }),
      ) as Record<GatewayName, StrongSwan>;
      makeSecret(join(client.folder, 'relay.token'), join(relay.folder, `${CLIENT_IDENTITY}.token`));
      const files = { certificate: join(relay.folder, 'relay.crt'), key: join(relay.folder, 'relay.key') };
      const fingerprint = await makeCertificate(files, 'relay.example.net');
      chmodSync(files.key, 0o600);
      await Promise.all(NAMES.map(name => gateways[name].start()));
      return new City(lab, options, gateways, fingerprint);
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  /** What client.yaml usually contains; `tunnel` to the network of the server, through the relay. */
  clientConfiguration(): Configuration {
    return {
      name: 'work',
      identity: CLIENT_IDENTITY,
      gateways: NAMES.map(name => ({
        name,
        address: GATEWAYS[name].outer,
        identity: GATEWAYS[name].identity,
        auth: { psk: { file: `${name}.psk` } },
      })),
      relay: {
        address: RELAY_ADDRESS,
        fingerprint: this.fingerprint,
        token: { file: 'relay.token' },
        mode: 'clear',
      },
      tunnel: { device: 'vpnr0', routes: [SERVER_NETWORK], mtu: 'auto' },
      failover: { mode: 'cold', probe: { interval: '25ms', misses: 3 } },
    };
  }

  relayConfiguration(): Configuration {
    return {
      listen: `${RELAY_ADDRESS}:${RELAY_PORT}`,
      pool: RELAY_POOL,
      certificate: 'relay.crt',
      key: 'relay.key',
      clients: [{ name: CLIENT_IDENTITY, token: { file: `${CLIENT_IDENTITY}.token` } }],
      state: 'relay-state',
    };
  }

  /** Writes a configuration beside the secrets it names and returns the file's path. */
  write(host: Host, name: string, configuration: Configuration | string): string {
    const path = join(host.folder, name);
    writeFileSync(path, typeof configuration === 'string' ? configuration : stringify(configuration), {
      mode: 0o600,
    });
    return path;
  }

  /** Starts `vpnr relay` and waits until it listens. */
  startRelay(configuration: Configuration = this.relayConfiguration()): Promise<LabProcess> {
    return startRelay(
      this.relay,
      this.#program,
      this.write(this.relay, 'relay.yaml', configuration),
      RELAY_PORT,
    );
  }

  /** Starts `vpnr connect`; await `event('connected')` of what it returns. */
  connect(configuration: Configuration = this.clientConfiguration()): Connection {
    const file = this.write(this.client, 'client.yaml', configuration);
    return new Connection(this.client, this.#program, file, configuration.name);
  }

  /** Runs `vpnr ARGS` in the client's host to its end. */
  vpnr(...args: string[]) {
    return this.client.try([...this.#program, ...args]);
  }

  close(): void {
    this.lab.close();
  }
}

function plan(): LabPlan {
  const toPools = (via: (name: GatewayName) => string) =>
    NAMES.map(name => `${GATEWAYS[name].pool} via ${via(name)}`);
  const gateway = (name: GatewayName): HostPlan => ({
    links: {
      [name]: { addresses: [`${GATEWAYS[name].outer}/24`] },
      inner: { addresses: [`${GATEWAYS[name].inner}/16`] },
    },
    routes: [`default via ${GATEWAYS[name].router}`, `${SERVER_NETWORK} via ${RELAY_ADDRESS}`],
    sysctls: FORWARDING,
    privateRun: true,
  });
  return {
    networks: ['access', ...NAMES, 'inner', 'servers'],
    hosts: {
      client: { links: { access: { addresses: ['192.0.2.2/24'] } }, routes: ['default via 192.0.2.1'] },
      internet: {
        links: {
          access: { addresses: ['192.0.2.1/24'] },
          ...Object.fromEntries(NAMES.map(name => [name, { addresses: [`${GATEWAYS[name].router}/24`] }])),
        },
        sysctls: FORWARDING,
      },
      ...Object.fromEntries(NAMES.map(name => [name, gateway(name)])),
      relay: {
        links: { inner: { addresses: [`${RELAY_ADDRESS}/16`] }, servers: { addresses: ['10.30.0.1/16'] } },
        routes: toPools(name => GATEWAYS[name].inner),
        sysctls: FORWARDING,
      },
      server: {
        links: { servers: { addresses: [`${SERVER_ADDRESS}/16`] } },
        routes: [`${RELAY_POOL} via 10.30.0.1`, ...toPools(() => '10.30.0.1'), '10.20.0.0/16 via 10.30.0.1'],
      },
    },
  };
}
