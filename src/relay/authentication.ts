/** Whether a relay's client is who it says: it shows that it knows its token. */
import { randomBytes } from 'node:crypto';
import { VpnrError } from '../errors.js';
import { Secret } from '../secret.js';
import { FailureLimiter, type FailureLimits } from '../service/failures.js';
import type { Roster } from '../service/roster.js';
import type { ControlConnection } from './connection.js';
import { equalSecrets, tokenProof } from './keys.js';
import type { Hello } from './protocol.js';

export class Authentication {
  readonly #clients: Roster;
  readonly #failures: FailureLimiter;
  /** Stands in for the token of a client that does not exist, so that it is refused like a wrong token. */
  readonly #noToken = new Secret(randomBytes(32));

  constructor(clients: Roster, limits: FailureLimits) {
    this.#clients = clients;
    this.#failures = new FailureLimiter(limits);
  }

  /** The token that the client knows. Throws RELAY_TOKEN_REFUSED. `now`: monotonic milliseconds. */
  check({ socket, address }: ControlConnection, { name, proof }: Hello, now: number): Secret {
    const token = this.#clients.get(name);
    const client = token && name;
    if (this.#failures.blocked(address, client, now)) {
      throw new VpnrError(
        'RELAY_TOKEN_REFUSED',
        'too many wrong tokens came from this address; try again later',
      );
    }
    const expected = tokenProof(socket, token ?? this.#noToken, name);
    if (!equalSecrets(Buffer.from(proof, 'hex'), expected) || token === undefined) {
      this.#failures.failed(address, client, now);
      throw new VpnrError('RELAY_TOKEN_REFUSED', 'the relay does not know this client with this token');
    }
    return token;
  }
}
