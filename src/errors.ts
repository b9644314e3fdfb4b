/**
 * Every error that a user can meet. The code is stable: scripts and the documentation refer to it.
 * The class decides the exit status.
 */
const CODES = {
  // usage
  USAGE: 2,
  // configuration
  CONFIG_NOT_FOUND: 3,
  CONFIG_SYNTAX: 3,
  CONFIG_INVALID: 3,
  SECRET_NOT_FOUND: 3,
  SECRET_READABLE_BY_OTHERS: 3,
  CERTIFICATE_INVALID: 3,
  // rights and the machine
  NOT_ROOT: 4,
  NO_TUN: 4,
  DRIVER_NOT_INSTALLED: 4,
  ALREADY_RUNNING: 4,
  NOT_RUNNING: 4,
  DEVICE_BUSY: 4,
  ROUTE_EXISTS: 4,
  POOL_OVERLAPS: 4,
  ADDRESS_IN_USE: 4,
  SYSTEM_CALL: 4,
  CLOCK_WRONG: 4,
  MISSING_PROGRAM: 4,
  LAB_FAILED: 4,
  // network
  GATEWAY_UNRESOLVED: 5,
  GATEWAY_TIMEOUT: 5,
  NO_PROPOSAL_CHOSEN: 5,
  TS_UNACCEPTABLE: 5,
  NO_ADDRESS_ASSIGNED: 5,
  PEER_CLOSED: 5,
  ADDRESS_REFUSED: 5,
  IKE_PROTOCOL: 5,
  RELAY_UNREACHABLE: 5,
  RELAY_PROTOCOL: 5,
  RELAY_POOL_EMPTY: 5,
  RELAY_DRAINED: 5,
  // authentication
  AUTHENTICATION_FAILED: 6,
  GATEWAY_IDENTITY: 6,
  RELAY_CERTIFICATE: 6,
  RELAY_TOKEN_REFUSED: 6,
  // a mistake in vpnr itself
  INTERNAL: 1,
} as const;

export type ErrorCode = keyof typeof CODES;

export const ERROR_CODES = Object.keys(CODES) as readonly ErrorCode[];

/** An error with a stable code, what happened and, in `remedy`, what to do next. */
export class VpnrError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'VpnrError';
    this.code = code;
    this.remedy = options.remedy;
  }

  /** 1 internal, 2 usage, 3 configuration, 4 rights or machine, 5 network, 6 authentication. */
  get exitStatus(): number {
    return CODES[this.code];
  }
}

/** errno(3): of a disk that is full, or of a user's share of it. */
const NO_ROOM = ['ENOSPC', 'EDQUOT'];

/** Any thrown thing as a `VpnrError`; what is not one already becomes SYSTEM_CALL where a disk is full, else INTERNAL. */
export function toVpnrError(error: unknown): VpnrError {
  if (error instanceof VpnrError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && NO_ROOM.includes((error as NodeJS.ErrnoException).code ?? '')) {
    return new VpnrError('SYSTEM_CALL', message, { remedy: 'make room on that disk', cause: error });
  }
  return new VpnrError('INTERNAL', message, { cause: error });
}
