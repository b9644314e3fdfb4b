/** What applications and operators see of the traffic's way: the device's address, its name servers, and when it works. */
import { toVpnrError, type VpnrError } from '../errors.js';
import type { Addressing } from './addressing.js';
import type { Clock } from './clock.js';
import type { Face } from './device.js';
import type { Milestones } from './milestones.js';
import type { NameService } from './name-service.js';
import type { OperatorSwitch } from './operator-switch.js';
import type { GatewayPaths } from './paths.js';
import type { PolicyDriver } from './policy-driver.js';

export interface PresenceOptions {
  device: Face;
  nameService: Pick<NameService, 'use'>;
  paths: GatewayPaths;
  driver: PolicyDriver;
  addressing: Addressing;
  milestones: Milestones;
  operator: OperatorSwitch;
  clock: Clock;
  /** The system does not take the address or its routes. */
  failed(error: VpnrError): void;
}

export class Presence {
  readonly #options: PresenceOptions;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** Without a relay, the address of the device is the one that this gateway assigned. */
  async move(gateway: number): Promise<void> {
    const { paths, driver, clock } = this.#options;
    const address = paths.virtualAddressOf(gateway);
    if (address === undefined || !(await this.takeAddress(address))) return;
    if (driver.stopped || driver.policy.active !== gateway) return;
    await this.ready(gateway);
    this.proven(gateway, clock.now());
  }

  /** Gives the device its address, the assigned one or that of the configuration. False: `failed` was called. */
  async takeAddress(assigned: string): Promise<boolean> {
    try {
      await this.#options.addressing.use(assigned);
      return true;
    } catch (error) {
      this.#options.failed(toVpnrError(error));
      return false;
    }
  }

  /** Packets flow through this gateway. Who waits for that the first time is told once names can be looked up, too. */
  async ready(gateway: number): Promise<void> {
    const { paths, milestones, device, driver } = this.#options;
    const named = this.useNameServers(gateway);
    if (milestones.connected) return;
    await named;
    // Another gateway that has become active meanwhile is made ready by itself.
    if (driver.stopped || driver.policy.active !== gateway) return;
    milestones.ready(paths.nameOf(gateway), device);
  }

  /** The path of this gateway answered what was sent at `sentAt`. */
  proven(gateway: number, sentAt: number): void {
    const { paths, driver, milestones, operator } = this.#options;
    if (driver.stopped || driver.policy.active !== gateway) return;
    const name = paths.nameOf(gateway);
    const ms = milestones.proven(name, sentAt);
    if (ms !== undefined) operator.switched(name, ms);
  }

  /** Resolves when the system asks this gateway's name servers, or it was told why it does not. */
  useNameServers(gateway: number): Promise<void> {
    const { paths, nameService } = this.#options;
    return nameService.use(paths.nameServersOf(gateway));
  }
}
