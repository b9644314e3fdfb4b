/** What becomes of a connection when its relay gives a session, is lost or comes back. */
import type { ClientDataPlane, RelayBinding } from '../dataplane/api.js';
import type { VpnrError } from '../errors.js';
import type { Milestones } from './milestones.js';
import type { Narrator } from './narrator.js';
import type { GatewayPaths } from './paths.js';
import type { PolicyDriver } from './policy-driver.js';
import type { Presence } from './presence.js';
import { RelayLink, type RelayLinkOptions } from './relay-link.js';
import type { ConnectionStatus } from './status.js';

/** The other parts of the connection. */
export interface RelaySurroundings {
  plane: ClientDataPlane;
  paths: GatewayPaths;
  driver: PolicyDriver;
  presence: Presence;
  milestones: Milestones;
  narrator: Narrator;
  /** Go on for ever even if there never is a session. */
  persist: boolean;
  /** There is no session, and none is to be waited for. */
  failed(error: VpnrError): void;
}

export class RelaySide {
  readonly #with: RelaySurroundings;
  readonly #link: RelayLink;
  /** The relay itself ended or refused the control connection, and has not been heard since. */
  #away = false;
  /** What was told last of its loss: attempts in vain that follow are not, if they say the same. */
  #told = '';
  /** The device has an address by a session. */
  #addressed = false;

  constructor(options: RelayLinkOptions, surroundings: RelaySurroundings) {
    this.#with = surroundings;
    const { narrator } = surroundings;
    this.#link = new RelayLink(options, {
      session: (binding, ms) => this.#session(binding, ms),
      resumed: (lease, ms) => this.#resumed(lease, ms),
      leaving: () => narrator.relayDrain(),
      notice: message => narrator.notice(message),
      lost: (error, away) => this.#lost(error, away),
    });
  }

  /** The data plane holds a session's keys, so that the relay answers probes. */
  get bound(): boolean {
    return this.#link.bound;
  }

  get status(): NonNullable<ConnectionStatus['relay']> {
    return this.#link.status;
  }

  /** Another tunnel is active. */
  pathChanged(): void {
    this.#link.pathChanged();
  }

  /** No tunnel is active. */
  pathLost(): void {
    this.#link.pathLost();
  }

  /** The relay says over the data path that it is about to stop. */
  announced(): void {
    this.#link.announced();
  }

  /** Says goodbye. */
  close(): Promise<void> {
    return this.#link.close();
  }

  async #session(binding: RelayBinding, ms: number): Promise<void> {
    const { plane, driver, presence } = this.#with;
    if (driver.stopped) {
      binding.sendKey.wipe();
      binding.receiveKey.wipe();
      return;
    }
    plane.bindRelay(binding);
    if (!(await presence.takeAddress(binding.lease))) return;
    this.#addressed = true;
    this.#announce(binding.lease, 'fresh', ms);
    this.#away = false;
    driver.tell((policy, now) => policy.relayBound(now));
  }

  #resumed(lease: string, ms: number): void {
    this.#with.plane.relayGone(false);
    this.#announce(lease, 'kept', ms);
    if (!this.#away) return;
    this.#away = false;
    this.#with.driver.tell((policy, now) => policy.relayBack(now));
  }

  #announce(lease: string, keys: 'fresh' | 'kept', ms: number): void {
    const { driver, narrator, presence } = this.#with;
    const gateway = driver.policy.active;
    // Without a tunnel, the next one's control connection comes here again.
    if (gateway === undefined || driver.stopped) return;
    this.#told = '';
    narrator.relaySession(gateway, lease, keys, ms);
    if (this.#addressed) void presence.ready(gateway);
  }

  #lost(error: VpnrError, away: boolean): void {
    const { plane, driver, narrator, milestones, paths, persist, failed } = this.#with;
    if (away && this.#link.bound) plane.relayGone(true);
    const gateway = driver.policy.active;
    if (driver.stopped || gateway === undefined) return;
    const telling = `${gateway} ${error.message}`;
    if (telling !== this.#told) narrator.relayLost(gateway, error);
    this.#told = telling;
    // Another gateway cannot help with a refusal.
    if (!milestones.connected && !persist && error.exitStatus !== 5) {
      failed(error);
      return;
    }
    if (!this.#link.bound) {
      paths.blame(gateway, error);
      driver.tell((policy, now) => policy.relayUnreachable(gateway, now));
    } else if (away) {
      this.#away = true;
      driver.tell((policy, now) => policy.relayAway(now));
    } else if (error.exitStatus === 5) {
      driver.tell((policy, now) => policy.relayUnreachable(gateway, now));
    }
  }
}
