import type { IkeEnvironment, ResponderOptions } from './api.js';
import { ResponderHandshake } from './responder-handshake.js';
import { makeContext, Session } from './session.js';

/** A session for one client of ours; it begins with the client's first datagram. */
export function createResponder(options: ResponderOptions, env: IkeEnvironment): Session {
  const context = makeContext(options, env, 'client');
  return new Session(context, new ResponderHandshake(context, options), ({ peerIdentity, configuration }) => {
    if (configuration.addresses.length > 0) options.release(peerIdentity, configuration);
  });
}
