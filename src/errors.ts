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
  PATH_MTU: 5,
  NO_PROPOSAL_CHOSEN: 5,
  TS_UNACCEPTABLE: 5,
  NO_ADDRESS_ASSIGNED: 5,
  PEER_CLOSED: 5,
  ADDRESS_REFUSED: 5,
  ASSOCIATIONS_FULL: 5,
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

/** What to do next where the one who throws the error does not know better. */
const REMEDIES: Record<Exclude<ErrorCode, 'INTERNAL'>, string> = {
  USAGE: 'see vpnr --help',
  CONFIG_NOT_FOUND: 'correct the path of the configuration',
  CONFIG_SYNTAX: 'correct the YAML there',
  CONFIG_INVALID: 'correct it in the configuration',
  SECRET_NOT_FOUND: 'create it where the configuration says',
  SECRET_READABLE_BY_OTHERS: 'chmod 600 the file',
  CERTIFICATE_INVALID: 'correct the certificate in the configuration',
  NOT_ROOT: 'run it with sudo',
  NO_TUN: 'modprobe tun; in a container, give it /dev/net/tun',
  DRIVER_NOT_INSTALLED: 'install vpnr anew: a part of it is missing',
  ALREADY_RUNNING: 'see what runs: vpnr status',
  NOT_RUNNING: 'see what runs: vpnr status; start one: vpnr connect, relay or gateway -c FILE',
  DEVICE_BUSY: 'choose another name for the device in the configuration',
  ROUTE_EXISTS: 'take it out of tunnel.routes, or delete the other route',
  POOL_OVERLAPS: 'choose a pool that is used nowhere else',
  ADDRESS_IN_USE: 'end what uses it (ss -lnp shows it), or choose another port',
  SYSTEM_CALL: 'see what the system says of it: dmesg, journalctl; vpnr check -c FILE looks at this machine',
  CLOCK_WRONG: 'set the clock of this machine',
  MISSING_PROGRAM: 'install that program',
  LAB_FAILED: 'run it again; see that nothing else takes the whole machine',
  GATEWAY_UNRESOLVED: "correct the gateway's address, or see that name servers answer",
  GATEWAY_TIMEOUT:
    'see that the gateway runs and that UDP ports 500 and 4500 are open on the way: vpnr check -c FILE',
  PATH_MTU: 'lower tunnel.mtu',
  NO_PROPOSAL_CHOSEN: "give ike and esp of the gateway's section what the gateway offers",
  TS_UNACCEPTABLE: "make tunnel.routes, or the gateway's networks, fit each other",
  NO_ADDRESS_ASSIGNED: 'give the gateway a pool with addresses left, or set inner_address',
  PEER_CLOSED: "see the gateway's log; vpnr connects anew by itself",
  ADDRESS_REFUSED: "see the gateway's log for why, and its pool",
  ASSOCIATIONS_FULL: 'let fewer clients use this gateway, or put another one beside it',
  IKE_PROTOCOL: "see the gateway's log; it may speak another version of IKE",
  RELAY_UNREACHABLE: 'see that the relay runs and is reached from the gateways: vpnr check -c FILE',
  RELAY_PROTOCOL: 'run the same release of vpnr on client and relay',
  RELAY_POOL_EMPTY: 'give the relay a larger pool',
  RELAY_DRAINED: 'wait until the relay runs again',
  AUTHENTICATION_FAILED: 'compare identity and key with those at the gateway',
  GATEWAY_IDENTITY: "correct the gateway's identity in the configuration",
  RELAY_CERTIFICATE: 'correct relay.fingerprint; vpnr status at the relay shows its own',
  RELAY_TOKEN_REFUSED: "compare name and token with those in the relay's configuration",
};

/** An error with a stable code, what happened and, in `remedy`, what to do next. */
export class VpnrError extends Error {
  readonly code: ErrorCode;
  /** Undefined for a mistake in vpnr itself only. */
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'VpnrError';
    this.code = code;
    this.remedy = options.remedy ?? (code === 'INTERNAL' ? undefined : REMEDIES[code]);
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
