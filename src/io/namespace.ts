/** Linux network namespaces: working in another one for the length of a call. */
import { closeSync, openSync } from 'node:fs';
import { check, setns } from './libc.js';

const OWN = '/proc/thread-self/ns/net';
const CLONE_NEWNET = 0x40000000;

/**
 * Calls `action` with this thread in the namespace that the file stands for, as in /run/netns/NAME: sockets and
 * devices that it opens before it returns belong there. Needs CAP_SYS_ADMIN.
 */
export function insideNamespace<T>(file: string, action: () => T): T {
  const home = openSync(OWN, 'r');
  try {
    const there = openSync(file, 'r');
    try {
      check(setns(there, CLONE_NEWNET), `enter the network namespace ${file}`);
    } finally {
      closeSync(there);
    }
    try {
      return action();
    } finally {
      check(setns(home, CLONE_NEWNET), 'return to the own network namespace');
    }
  } finally {
    closeSync(home);
  }
}
