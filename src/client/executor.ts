/** Carries out what the failover policy decides, on the tunnels, in the data plane and at the relay; and tells of it. */
import type { ClientDataPlane } from '../dataplane/api.js';
import type { VpnrError } from '../errors.js';
import type { FailoverAction } from '../failover/actions.js';
import type { Clock } from './clock.js';
import type { Milestones } from './milestones.js';
import type { Narrator } from './narrator.js';
import type { GatewayPaths } from './paths.js';
import type { PolicyDriver } from './policy-driver.js';
import type { Presence } from './presence.js';
import type { Probing } from './probing.js';
import type { RelaySide } from './relay-side.js';

type Failure = Extract<FailoverAction, { type: 'failed' | 'standby-failed' | 'stuck' }>;
type Activation = Extract<FailoverAction, { type: 'activate' }>;

export interface ExecutorOptions {
  plane: ClientDataPlane;
  paths: GatewayPaths;
  driver: PolicyDriver;
  probing: Probing;
  relay: RelaySide | undefined;
  presence: Presence;
  milestones: Milestones;
  narrator: Narrator;
  clock: Clock;
  /** Go on for ever even if no gateway can be connected in the first round. */
  persist: boolean;
  /** No gateway can be connected, and it is not to be tried for ever. */
  failed(error: VpnrError): void;
}

export class Executor {
  readonly #options: ExecutorOptions;
  #waiting = false;

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  /** All gateways were tried in vain, and none is tried now. */
  get waiting(): boolean {
    return this.#waiting;
  }

  carryOut(action: FailoverAction): void {
    const { plane, paths, probing, narrator, milestones, clock } = this.#options;
    switch (action.type) {
      case 'connect':
        this.#waiting = false;
        void paths.connect(action.gateway);
        return;
      case 'disconnect':
        this.#disconnect(action.gateway, action.calledOff);
        return;
      case 'activate':
        this.#activate(action);
        return;
      case 'resend':
        plane.activate(action.gateway, action.epoch, 'failed');
        return;
      case 'second':
        plane.setSecondPath(action.gateway);
        return;
      case 'probe':
        probing.probe(action.gateway, action.id, clock.now());
        return;
      case 'check-gateway':
        paths.probe(action.gateway);
        return;
      case 'failed':
        milestones.failed(paths.nameOf(action.gateway));
        this.#tellFailure(action);
        return;
      case 'standby-failed':
      case 'stuck':
        this.#tellFailure(action);
        return;
      case 'blame':
      case 'recovered':
        narrator.found(action);
        return;
      case 'wait':
        this.#wait(action.waitMs);
        return;
    }
  }

  #tellFailure(failure: Failure): void {
    this.#options.paths.blame(failure.gateway);
    this.#options.narrator.found(failure);
  }

  #disconnect(gateway: number, calledOff = false): void {
    const { plane, paths, driver, relay } = this.#options;
    paths.disconnect(gateway, calledOff);
    if (driver.policy.active !== undefined) return;
    plane.activate(undefined, 0);
    relay?.pathLost();
  }

  #activate({ gateway, epoch, cause }: Activation): void {
    const { plane, paths, milestones, presence, relay } = this.#options;
    // All but a failure leave a path that still works.
    const kind = cause === 'failure' || cause === 'start' ? 'failed' : 'alive';
    plane.activate(gateway, epoch, kind);
    milestones.activated(paths.nameOf(gateway), cause);
    if (relay !== undefined) relay.pathChanged();
    else void presence.move(gateway);
    if (milestones.connected) void presence.useNameServers(gateway);
  }

  #wait(waitMs: number): void {
    const { paths, milestones, narrator, persist, failed } = this.#options;
    if (milestones.connected || persist) {
      this.#waiting = true;
      narrator.waiting(waitMs);
      return;
    }
    failed(paths.summary());
  }
}
