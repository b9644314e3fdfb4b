/**
 * Gives a user without an entry in /etc/passwd, as services and containers have them, the home and the shell that oclif
 * asks for while it is loaded: Node throws where the system knows none. Nothing here is kept in a home. Imported before oclif.
 */
import { homedir, userInfo } from 'node:os';

function known(ask: () => unknown): boolean {
  try {
    ask();
    return true;
  } catch {
    return false;
  }
}

if (!known(homedir)) process.env.HOME = '/';
if (!known(userInfo)) process.env.SHELL ??= '/bin/sh';
