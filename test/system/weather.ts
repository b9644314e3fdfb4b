/**
 * Bad luck, made of a seed: gateways fail and come back, the relay is started again, the operator switches and the client
 * moves, on top of each other, while TCP carries something each way.
 */
import {
  City,
  type Connection,
  FAULTS,
  type Fault,
  GATEWAYS,
  type Gateway,
  type GatewayName,
  gatewayConfiguration,
  injectFault,
  type LabProcess,
  repairFault,
  SERVER_ADDRESS,
  StrongSwan,
  Transfer,
  until,
  VpnrGateway,
} from '../../src/lab/index.js';
import { generator } from '../support/random.js';
import { PROGRAM, reporting } from './support.js';

export interface Weather {
  seed: number;
  /** How long things go wrong. */
  seconds: number;
  gateways: 'own' | 'strongswan';
  failover: 'cold' | 'standby' | 'replay' | 'duplicate';
  relay: 'clear' | 'sealed' | 'ipip';
}

export interface WeatherResult {
  /** Where a way existed all the time, the longest time in which nothing arrived, ms. */
  stallMs: { up: number; down: number };
  /** How many things went wrong. */
  happenings: number;
}

const INNER_NETWORKS = ['10.20.0.0/16'];
/** Bytes a second each way; arrivals are told by the million. */
const RATE = 4_000_000;
const END_MS = 60_000;
const LOOK_MS = 20;
const SLEEP_MS = 5000;
const NAMES = ['tokyo', 'osaka'] as const satisfies GatewayName[];
const KINDS = Object.keys(FAULTS) as Fault[];

type AnyCity = City<GatewayName, Gateway>;

export async function endure(weather: Weather): Promise<WeatherResult> {
  const city: AnyCity = await City.build<GatewayName, Gateway>({
    program: PROGRAM,
    sites: GATEWAYS,
    makeGateway: (host, site) =>
      weather.gateways === 'own'
        ? new VpnrGateway(host, { ...site, program: PROGRAM, networks: INNER_NETWORKS })
        : new StrongSwan(host, { swanctl: gatewayConfiguration(site) }),
  });
  const storm = new Storm(city, weather);
  let result: WeatherResult | undefined;
  await reporting(city.lab, async () => {
    try {
      result = await storm.run();
    } catch (error) {
      console.log(storm.log.join('\n'));
      throw error;
    }
  });
  return result as WeatherResult;
}

class Storm {
  readonly log: string[] = [];
  readonly #city: AnyCity;
  readonly #weather: Weather;
  readonly #random: () => number;
  readonly #begun = performance.now();
  readonly #failed = new Map<GatewayName, Fault>();
  #relay: LabProcess | undefined;
  /** Since when there has been a way from end to end; undefined while there is none. */
  #openSince: number | undefined;
  #happenings = 0;
  #address = 2;

  constructor(city: AnyCity, weather: Weather) {
    this.#city = city;
    this.#weather = weather;
    this.#random = generator(weather.seed);
  }

  async run(): Promise<WeatherResult> {
    const city = this.#city;
    await this.#startRelay();
    const configuration = city.clientConfiguration();
    configuration.relay.mode = this.#weather.relay;
    if (this.#weather.relay === 'ipip') configuration.relay.trust_network = true;
    configuration.failover.mode = this.#weather.failover;
    const connection = city.connect(configuration);
    await connection.event('connected');
    connection.process.onLine(line => this.#say(`  ${line}`));
    const transfer = await Transfer.start({
      client: city.client,
      server: city.server,
      address: SERVER_ADDRESS,
      bytes: RATE,
      rate: RATE,
      untilTold: true,
    });
    await transfer.reached(RATE, END_MS);
    const watch = new Watch(transfer, text => this.#say(text));
    const timer = setInterval(() => watch.look(this.#openSince), LOOK_MS);
    try {
      this.#openSince = performance.now();
      const end = performance.now() + this.#weather.seconds * 1000;
      while (performance.now() < end) {
        await this.#pass(this.#between(100, 4000));
        await this.#happen(connection);
      }
      for (const name of NAMES) await this.#repair(name);
      const { up, down } = transfer.arrived;
      await transfer.reached(Math.max(up, down) + 2 * RATE, END_MS);
    } finally {
      clearInterval(timer);
    }
    transfer.finish();
    await transfer.result(END_MS);
    const { status } = await connection.stop();
    if (status !== 0) throw new Error(`connect ended with ${status}`);
    return { stallMs: watch.longest, happenings: this.#happenings };
  }

  async #happen(connection: Connection): Promise<void> {
    this.#happenings++;
    const die = this.#random();
    const name = this.#pick(NAMES);
    if (die < 0.15) return this.#restartRelay();
    if (die < 0.22) return this.#move();
    if (die < 0.28) return this.#switch(name);
    if (die < 0.33) return this.#sleep(connection);
    if (this.#failed.has(name)) return this.#repair(name);
    if (this.#failed.size === 1 && this.#random() < 0.6) {
      return this.#repair(this.#pick([...this.#failed.keys()]));
    }
    const fault = this.#pick(KINDS);
    this.#say(`${name}: ${fault}`);
    this.#failed.set(name, fault);
    this.#openSince = this.#failed.size < NAMES.length ? this.#openSince : undefined;
    await injectFault(this.#city, name, fault);
    if (!connection.process.running) throw new Error('connect has ended');
  }

  async #repair(name: GatewayName): Promise<void> {
    const fault = this.#failed.get(name);
    if (fault === undefined) return;
    this.#say(`${name}: ${fault} no more`);
    await repairFault(this.#city, name, fault);
    this.#failed.delete(name);
    this.#opened();
  }

  async #restartRelay(): Promise<void> {
    const signal = this.#pick(['SIGTERM', 'SIGKILL'] as const);
    this.#say(`relay: ${signal}`);
    this.#openSince = undefined;
    await this.#relay?.stop(signal);
    await this.#startRelay();
    this.#say('relay: back');
    this.#opened();
  }

  async #startRelay(): Promise<void> {
    const trust = this.#weather.relay === 'ipip' ? { trust_network: true } : {};
    this.#relay = await this.#city.startRelay({ ...this.#city.relayConfiguration(), ...trust });
  }

  /** As a DHCP client does it. */
  async #move(): Promise<void> {
    const { client } = this.#city;
    const before = this.#address;
    this.#address = before === 2 ? 77 : 2;
    this.#say(`client: 192.0.2.${this.#address}`);
    const script = `ip address del 192.0.2.$1/24 dev $3; ip address add 192.0.2.$2/24 dev $3; ip route add default via 192.0.2.1`;
    const { name } = client.link('access');
    await client.run(['sh', '-c', script, 'sh', `${before}`, `${this.#address}`, name]);
  }

  /** The client stands still, as one that is asleep or starved does. */
  async #sleep({ process }: Connection): Promise<void> {
    const ms = this.#between(200, SLEEP_MS);
    this.#say(`client: asleep for ${ms.toFixed(0)} ms`);
    this.#openSince = undefined;
    process.signal('SIGSTOP');
    await this.#pass(ms);
    process.signal('SIGCONT');
    this.#opened();
  }

  async #switch(name: GatewayName): Promise<void> {
    this.#say(`switch ${name}`);
    // To a gateway that is away it is refused.
    await this.#city.vpnr('switch', name);
  }

  #opened(): void {
    if (this.#failed.size < NAMES.length) this.#openSince ??= performance.now();
  }

  async #pass(ms: number): Promise<void> {
    const due = performance.now() + ms;
    await until('time passes', 2 * ms + 1000, () => performance.now() >= due || undefined);
  }

  #between(least: number, most: number): number {
    return least + (most - least) * this.#random();
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)] as T;
  }

  #say(text: string): void {
    const line = `${((performance.now() - this.#begun) / 1000).toFixed(2).padStart(7)} ${text}`;
    this.log.push(line);
    if (process.env.WEATHER !== undefined) console.log(line);
  }
}

/** Sees in which direction nothing arrives. */
class Watch {
  readonly longest = { up: 0, down: 0 };
  readonly #transfer: Transfer;
  readonly #say: (text: string) => void;
  readonly #arrived = { up: 0, down: 0 };
  readonly #since = { up: 0, down: 0 };

  constructor(transfer: Transfer, say: (text: string) => void) {
    this.#transfer = transfer;
    this.#say = say;
    this.#since = { up: performance.now(), down: performance.now() };
  }

  look(openSince: number | undefined): void {
    const now = performance.now();
    for (const direction of ['up', 'down'] as const) {
      const arrived = this.#transfer.arrived[direction];
      const stallMs = openSince === undefined ? 0 : now - Math.max(openSince, this.#since[direction]);
      this.longest[direction] = Math.max(this.longest[direction], stallMs);
      if (arrived === this.#arrived[direction]) continue;
      if (now - this.#since[direction] > 1000)
        this.#say(
          `${direction} after ${((now - this.#since[direction]) / 1000).toFixed(2)} s, open ${(stallMs / 1000).toFixed(2)} s`,
        );
      this.#arrived[direction] = arrived;
      this.#since[direction] = now;
    }
  }
}
