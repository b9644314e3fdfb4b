// KE payloads and what goes with them (RFC 7296 sections 1.2, 1.3 and 3.4).
import type { DhGroup } from './api.js';
import { NotifyType } from './constants.js';
import type { KeyExchange } from './crypto/dh.js';
import type { KePayload } from './payloads/ke.js';
import { type NotifyPayload, notification } from './payloads/notify.js';
import { groupId, groupOf } from './proposal.js';

export const ALL_GROUPS: readonly DhGroup[] = ['x25519', 'ecp256', 'modp2048'];

/** The group that an INVALID_KE_PAYLOAD notification names, if it is one of ours. */
export function groupInNotify({ data }: NotifyPayload): DhGroup | undefined {
  return data.length === 2 ? groupOf(new DataView(data.buffer, data.byteOffset).getUint16(0)) : undefined;
}

/** INVALID_KE_PAYLOAD that names the group wanted. */
export function wrongGroup(group: DhGroup): NotifyPayload {
  const id = groupId(group);
  return notification(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(id >>> 8, id & 0xff));
}

export function keyPayload({ group, publicValue }: KeyExchange): KePayload {
  return { type: 'KE', group: groupId(group), data: publicValue };
}
