// What a peer's error notification means for a user.
import type { ErrorCode } from '../errors.js';
import { FIRST_STATUS_NOTIFY, NotifyType } from './constants.js';
import type { NotifyPayload } from './payloads/notify.js';
import type { Payload } from './payloads/payload.js';

export interface Failure {
  code: ErrorCode;
  message: string;
}

const FAILURES = new Map<number, [ErrorCode, string]>([
  [
    NotifyType.NO_PROPOSAL_CHOSEN,
    ['NO_PROPOSAL_CHOSEN', 'accepts none of the offered algorithms: compare the proposals of both sides'],
  ],
  [
    NotifyType.AUTHENTICATION_FAILED,
    [
      'AUTHENTICATION_FAILED',
      'refused the authentication: the pre-shared key or an identity differs from what it expects',
    ],
  ],
  [NotifyType.TS_UNACCEPTABLE, ['TS_UNACCEPTABLE', 'accepts none of the offered traffic selectors']],
  [
    NotifyType.SINGLE_PAIR_REQUIRED,
    ['TS_UNACCEPTABLE', 'accepts only a single pair of addresses as traffic selectors'],
  ],
  [
    NotifyType.INTERNAL_ADDRESS_FAILURE,
    ['NO_ADDRESS_ASSIGNED', 'has no address left to assign: enlarge its pool'],
  ],
  [NotifyType.FAILED_CP_REQUIRED, ['NO_ADDRESS_ASSIGNED', 'requires a configuration that was not requested']],
  [NotifyType.INVALID_SYNTAX, ['IKE_PROTOCOL', 'could not read a message of ours (INVALID_SYNTAX)']],
  [NotifyType.INVALID_MAJOR_VERSION, ['IKE_PROTOCOL', 'does not speak version 2 of IKE']],
  [
    NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD,
    ['IKE_PROTOCOL', 'does not understand a payload of ours (UNSUPPORTED_CRITICAL_PAYLOAD)'],
  ],
  [NotifyType.NO_ADDITIONAL_SAS, ['ASSOCIATIONS_FULL', 'accepts no further child SA']],
]);

/** `peer` is what the other side is called in the message. */
export function failureOf(notify: number, peer: string): Failure {
  const [code, text] = FAILURES.get(notify) ?? ['IKE_PROTOCOL', `refused with notification ${notify}`];
  return { code, message: `the ${peer} ${text}` };
}

/** The first error notification, if there is one. */
export function errorNotify(payloads: readonly Payload[]): NotifyPayload | undefined {
  return payloads.find(
    (payload): payload is NotifyPayload => payload.type === 'N' && payload.notify < FIRST_STATUS_NOTIFY,
  );
}
