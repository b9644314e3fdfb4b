// A gateway that is about to stop asks its clients to go elsewhere, while it still carries their packets.
//
// IKEv2 can say this only where the gateway names another one (REDIRECT, RFC 5685), and the client's choice is its own
// here. So it is an extension of ours: a notification for private use, understood by those whose IKE_AUTH bears our
// Vendor ID (RFC 7296 sections 3.10.1 and 3.12).
import { ExchangeType, NotifyType } from './constants.js';
import { notification } from './payloads/notify.js';
import type { VendorPayload } from './payloads/opaque.js';
import type { Payload } from './payloads/payload.js';
import type { Task } from './task.js';

/** In IKE_AUTH, where only the other end reads it. */
export const DRAIN_VENDOR_ID: VendorPayload = { type: 'V', data: new TextEncoder().encode('vpnr drain 1') };

/** Whether these payloads of IKE_AUTH are of somebody who understands DRAIN. */
export function understandsDrain(payloads: readonly Payload[]): boolean {
  return payloads.some(
    payload => payload.type === 'V' && Buffer.compare(payload.data, DRAIN_VENDOR_ID.data) === 0,
  );
}

/** As responder: asks the client to go elsewhere. */
export class Drain implements Task {
  readonly subject = 'drain';

  request(): { exchange: number; payloads: Payload[] } {
    return { exchange: ExchangeType.INFORMATIONAL, payloads: [notification(NotifyType.DRAIN)] };
  }

  response(): void {}
}
