/** Which address the device has, told to the data plane, which translates, and to the system at the same time. */
import type { ClientConfig } from '../config/client.js';
import type { ClientDataPlane } from '../dataplane/api.js';
import { maxSegment } from '../packet/mtu.js';
import type { Face } from './device.js';
import type { ConnectionEvent } from './events.js';

export interface AddressingOptions {
  config: ClientConfig;
  plane: ClientDataPlane;
  device: Face;
  emit(event: ConnectionEvent): void;
}

export class Addressing {
  readonly #options: AddressingOptions;

  constructor(options: AddressingOptions) {
    this.#options = options;
  }

  /** Before the first address: only the relay's control connection passes. */
  begin(): void {
    this.#tellPlane(undefined);
  }

  /**
   * Gives the device its address: the configured one, else `assigned` (the relay's lease, or without a relay what the
   * gateway assigned). Throws what the system says, such as ROUTE_EXISTS.
   */
  async use(assigned: string): Promise<void> {
    const { config, device, emit } = this.#options;
    const address = config.tunnel.address ?? assigned;
    this.#tellPlane(address);
    const previous = await device.setAddress(address);
    if (previous !== undefined && previous !== address) emit({ event: 'address-changed', address, previous });
  }

  #tellPlane(address: string | undefined): void {
    const { plane, device } = this.#options;
    plane.setAddresses({
      ...(address === undefined ? {} : { device: address }),
      ...(device.controlAddress === undefined ? {} : { control: device.controlAddress }),
      maxSegment: maxSegment(device.mtu),
    });
  }
}
