import type { IkeEnvironment, IkeSession, InitiatorOptions } from './api.js';
import { InitiatorHandshake } from './initiator-handshake.js';
import { makeContext, Session } from './session.js';

/** A session that connects to a gateway. */
export function createInitiator(options: InitiatorOptions, env: IkeEnvironment): IkeSession {
  const context = makeContext(options, env, 'gateway');
  return new Session(context, new InitiatorHandshake(context, options));
}
