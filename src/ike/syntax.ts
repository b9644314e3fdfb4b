import { VpnrError } from '../errors.js';

/**
 * Why a message was refused. `malformed`: its layout breaks the RFC. `version`: another major version (RFC 7296
 * section 2.5). `integrity`: the checksum is wrong. `limit`: larger than this implementation takes.
 */
export type SyntaxReason = 'malformed' | 'version' | 'integrity' | 'limit';

/**
 * The only error that parsing throws, whatever the input. When `authenticated` is false anyone may have sent the
 * message: drop it. When it is true the peer itself did, and is told INVALID_SYNTAX (RFC 7296 section 2.21).
 */
export class IkeSyntaxError extends VpnrError {
  readonly reason: SyntaxReason;
  readonly authenticated: boolean;

  constructor(message: string, reason: SyntaxReason = 'malformed', authenticated = false) {
    super('IKE_PROTOCOL', message);
    this.name = 'IkeSyntaxError';
    this.reason = reason;
    this.authenticated = authenticated;
  }
}
