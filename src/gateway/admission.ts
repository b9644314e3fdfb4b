/** Who is let in: the clients' keys, guesses at them, cookies for strangers, and the addresses that clients get. */
import type { AssignedConfiguration, Endpoint } from '../ike/api.js';
import { CookieIssuer } from '../ike/cookie.js';
import { formatEndpoint } from '../io/sockaddr.js';
import type { Secret } from '../secret.js';
import { FailureLimiter, type FailureLimits } from '../service/failures.js';
import type { Roster } from '../service/roster.js';
import { ClientAddresses } from './addresses.js';
import type { GatewayEvent, GatewayServerOptions } from './server-api.js';
import type { ClientSession } from './session.js';

const COOKIE_SECRET_MS = 60_000;
/** Characters of what a stranger says to be that are told. No client's identity is longer. */
const TOLD_MAX = 255;

type Refusal = Extract<GatewayEvent, { type: 'client-refused' }>;

export class Admission {
  readonly cookies: CookieIssuer;
  readonly #options: GatewayServerOptions;
  readonly #keys: Roster;
  readonly #failures: FailureLimiter;
  readonly #addresses: ClientAddresses;
  #cookiesAt: number;
  #refused = 0;
  /** The client for whom no address was left last. */
  #unassigned: string | undefined;

  constructor(options: GatewayServerOptions, limits: FailureLimits) {
    this.#options = options;
    this.cookies = new CookieIssuer(options.random);
    this.#keys = options.clients;
    this.#failures = new FailureLimiter(limits);
    this.#addresses = new ClientAddresses(options.pool);
    this.#cookiesAt = options.now();
  }

  /** Attempts that did not prove to be a client's. */
  get refused(): number {
    return this.#refused;
  }

  tick(now: number): void {
    if (now - this.#cookiesAt < COOKIE_SECRET_MS) return;
    this.#cookiesAt = now;
    this.cookies.rotate();
  }

  /** The key of the client that someone at this address says to be; none while too many attempts of that kind have failed. */
  keyFor(address: string, claimed: string): Secret | undefined {
    const key = this.#keys.get(claimed);
    return this.#failures.blocked(address, key && claimed, this.#options.now()) ? undefined : key;
  }

  /** The session is not that of the client that it said to be. What is to be told; what is blocked anyway is not each time. */
  failed(session: ClientSession, from: Endpoint, now: number): Refusal | undefined {
    const claimed = session.claimed as string;
    const client = this.#keys.has(claimed) ? claimed : undefined;
    this.#refused += 1;
    const blocked = this.#failures.blocked(session.address, client, now);
    this.#failures.failed(session.address, client, now);
    if (blocked) return undefined;
    return {
      type: 'client-refused',
      client: claimed.length > TOLD_MAX ? `${claimed.slice(0, TOLD_MAX)}…` : claimed,
      from: formatEndpoint(from),
      code: 'AUTHENTICATION_FAILED',
      message: client === undefined ? 'there is no such client' : 'its pre-shared key is another one',
    };
  }

  /** The client's address and what else it is told; undefined when no address is left. */
  assign(client: string, wanted: string | undefined): AssignedConfiguration | undefined {
    const address = this.#addresses.hold(client, wanted);
    this.#unassigned = address === undefined ? client : undefined;
    if (address === undefined) return undefined;
    const { networks, dns = { servers: [], search: [] } } = this.#options;
    return { addresses: [address], dns: [...dns.servers], domains: [...dns.search], subnets: [...networks] };
  }

  release(client: string): void {
    this.#addresses.release(client);
  }

  /** Why a client that is who it says has got no address just now. */
  whyWithoutAddress(client: string): Pick<Refusal, 'code' | 'message'> {
    if (this.#unassigned === client) return { code: 'NO_ADDRESS_ASSIGNED', message: 'the pool is empty' };
    return {
      code: 'TS_UNACCEPTABLE',
      message: 'it asked for no address, or for ESP algorithms or networks that are not to be had',
    };
  }
}
