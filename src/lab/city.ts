/**
 * The usual laboratory: a client on the internet, gateways in some cities, a relay and a server behind them.
 *
 *                            .-- tokyo ----.
 *   client --- internet ----<               >--- relay --- server
 *                            '-- osaka ----'
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { makeCertificate, makeSecret } from './certificate.js';
import type { Gateway, GatewaySite } from './gateway.js';
import type { Host } from './host.js';
import { type HostPlan, Lab, type LabPlan } from './lab.js';
import type { LinePlan } from './line/settings.js';
import type { LabProcess } from './process.js';
import type { Program } from './self.js';
import { StrongSwan } from './strongswan.js';
import { type GatewayOptions, gatewayConfiguration } from './strongswan-config.js';
import { Connection, startRelay, VpnrGateway, type VpnrGatewayOptions } from './vpnr.js';

export const RELAY_ADDRESS = '10.20.0.100';
export const RELAY_PORT = 7511;
export const SERVER_ADDRESS = '10.30.0.10';
export const SERVER_NETWORK = '10.30.0.0/16';
export const RELAY_POOL = '10.30.200.0/24';
export const CLIENT_IDENTITY = 'client1';

/** A city with a gateway. */
export interface Site {
  /** The gateway's address on the internet, and its router's: of a /24 of their own. */
  outer: string;
  router: string;
  /** Its address on the network behind the gateways, 10.20.0.0/16. */
  inner: string;
  pool: string;
  identity: string;
  /** Between the gateway and its router. */
  line?: LinePlan;
  /** Between the gateway and the network behind it. */
  leased?: LinePlan;
}

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
} as const satisfies Record<string, Site>;

export type GatewayName = keyof typeof GATEWAYS;
/** The client's. */
const ACCESS_NETWORK = '192.0.2.0/24';
/** The relay's address there. */
const RELAY_SERVER_SIDE = '10.30.0.1';
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

export interface OwnCityOptions extends Pick<VpnrGatewayOptions, 'program' | 'networks'> {
  settings?: Partial<Record<GatewayName, Record<string, unknown>>>;
}

export interface CityPlan<Name extends string, Kind extends Gateway> {
  program: Program;
  sites: Readonly<Record<Name, Site>>;
  makeGateway(host: Host, site: GatewaySite): Kind;
}

/** A configuration file as nested values, to be edited before it is written. */
// biome-ignore lint/suspicious/noExplicitAny: what stands in a file is checked by the program that reads it
export type Configuration = Record<string, any>;

export class City<Name extends string = GatewayName, Kind extends Gateway = StrongSwan> {
  readonly lab: Lab;
  readonly client: Host;
  readonly internet: Host;
  readonly relay: Host;
  readonly server: Host;
  readonly sites: Readonly<Record<Name, Site>>;
  readonly gateways: Readonly<Record<Name, Kind>>;
  /** The relay's fingerprint, as a client pins it. */
  readonly fingerprint: string;
  readonly #program: Program;

  private constructor(lab: Lab, plan: CityPlan<Name, Kind>) {
    const { sites } = plan;
    this.lab = lab;
    this.client = lab.host('client');
    this.internet = lab.host('internet');
    this.relay = lab.host('relay');
    this.server = lab.host('server');
    this.sites = sites;
    this.#program = plan.program;
    const { client, relay } = this;
    const make = (name: Name) => {
      const { outer: address, identity, pool } = sites[name];
      const psk = makeSecret(join(client.folder, `${name}.psk`));
      const clients = [{ identity: CLIENT_IDENTITY, psk }];
      return plan.makeGateway(lab.host(name), { address, identity, pool, clients });
    };
    this.gateways = Object.fromEntries(namesOf(sites).map(name => [name, make(name)])) as Record<Name, Kind>;
    makeSecret(join(client.folder, 'relay.token'), join(relay.folder, `${CLIENT_IDENTITY}.token`));
    const files = { certificate: join(relay.folder, 'relay.crt'), key: join(relay.folder, 'relay.key') };
    this.fingerprint = makeCertificate(files, 'relay.example.net');
  }

  /** Makes hosts, secrets and certificate, and starts the gateways. */
  static async build<Name extends string, Kind extends Gateway>(
    plan: CityPlan<Name, Kind>,
  ): Promise<City<Name, Kind>> {
    const lab = await Lab.create(labPlan(plan.sites));
    try {
      const city = new City(lab, plan);
      await Promise.all(namesOf(plan.sites).map(name => city.gateways[name].start()));
      return city;
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  /** The city of most tests: Tokyo and Osaka, strongSwan, no delays. */
  static create({ program, gateways }: CityOptions): Promise<City> {
    return City.build({
      program,
      sites: GATEWAYS,
      makeGateway: (host, site) =>
        new StrongSwan(host, { swanctl: gatewayConfiguration({ ...site, ...gateways }) }),
    });
  }

  /** The same with gateways of vpnr's own; `settings`: of each, by its name. */
  static createOwn({
    program,
    networks,
    settings = {},
  }: OwnCityOptions): Promise<City<GatewayName, VpnrGateway>> {
    return City.build({
      program,
      sites: GATEWAYS,
      makeGateway: (host, site) =>
        new VpnrGateway(host, {
          ...site,
          program,
          networks,
          settings: settings[host.name as GatewayName] ?? {},
        }),
    });
  }

  /** What client.yaml usually contains; `tunnel` to the network of the server, through the relay. */
  clientConfiguration(): Configuration {
    return {
      name: 'work',
      identity: CLIENT_IDENTITY,
      gateways: namesOf(this.sites).map(name => ({
        name,
        address: this.sites[name].outer,
        identity: this.sites[name].identity,
        auth: { psk: { file: `${name}.psk` } },
      })),
      relay: {
        address: RELAY_ADDRESS,
        fingerprint: this.fingerprint,
        token: { file: 'relay.token' },
        mode: 'clear',
      },
      tunnel: { device: 'vpnr0', routes: [SERVER_NETWORK], mtu: 'auto' },
      failover: { probe: { interval: '25ms', misses: 3 } },
    };
  }

  relayConfiguration(): Configuration {
    return {
      listen: `${RELAY_ADDRESS}:${RELAY_PORT}`,
      pool: RELAY_POOL,
      certificate: 'relay.crt',
      key: 'relay.key',
      clients: [{ identity: CLIENT_IDENTITY, token: { file: `${CLIENT_IDENTITY}.token` } }],
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

  /** Lets the client reach the server without a tunnel, over the lines of this site: to compare with. */
  async openPlainRoute(name: Name): Promise<void> {
    const { outer, inner } = this.sites[name];
    await this.internet.run(['ip', 'route', 'replace', SERVER_NETWORK, 'via', outer]);
    await this.relay.run(['ip', 'route', 'replace', ACCESS_NETWORK, 'via', inner]);
    await this.server.run(['ip', 'route', 'replace', ACCESS_NETWORK, 'via', RELAY_SERVER_SIDE]);
  }

  /** Runs `vpnr ARGS` in the client's host to its end. */
  vpnr(...args: string[]) {
    return this.client.try([...this.#program, ...args]);
  }

  close(): void {
    this.lab.close();
  }
}

function namesOf<Name extends string>(sites: Readonly<Record<Name, Site>>): Name[] {
  return Object.keys(sites) as Name[];
}

function labPlan(sites: Readonly<Record<string, Site>>): LabPlan {
  const names = namesOf(sites);
  const all = Object.entries(sites);
  const gateway = (name: string, { outer, router, inner, line, leased }: Site): HostPlan => ({
    links: {
      [name]: { addresses: [`${outer}/24`], ...(line === undefined ? {} : { line }) },
      inner: { addresses: [`${inner}/16`], ...(leased === undefined ? {} : { line: leased }) },
    },
    routes: [`default via ${router}`, `${SERVER_NETWORK} via ${RELAY_ADDRESS}`],
    sysctls: FORWARDING,
    privateRun: true,
  });
  return {
    networks: ['access', ...names, 'inner', 'servers'],
    hosts: {
      client: { links: { access: { addresses: ['192.0.2.2/24'] } }, routes: ['default via 192.0.2.1'] },
      internet: {
        links: {
          access: { addresses: ['192.0.2.1/24'] },
          ...Object.fromEntries(all.map(([name, { router }]) => [name, { addresses: [`${router}/24`] }])),
        },
        sysctls: FORWARDING,
      },
      ...Object.fromEntries(all.map(([name, site]) => [name, gateway(name, site)])),
      relay: {
        links: {
          inner: { addresses: [`${RELAY_ADDRESS}/16`] },
          servers: { addresses: [`${RELAY_SERVER_SIDE}/16`] },
        },
        routes: all.map(([, { pool, inner }]) => `${pool} via ${inner}`),
        sysctls: FORWARDING,
      },
      server: {
        links: { servers: { addresses: [`${SERVER_ADDRESS}/16`] } },
        routes: [RELAY_POOL, ...all.map(([, { pool }]) => pool), '10.20.0.0/16'].map(
          network => `${network} via ${RELAY_SERVER_SIDE}`,
        ),
      },
    },
  };
}
