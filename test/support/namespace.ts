/** Network namespaces for tests. A test that needs one skips itself unless `namespacesPossible()`. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { accessSync, closeSync, openSync, writeFileSync } from 'node:fs';
import koffi from 'koffi';

const CLONE_NEWNET = 0x40000000;
const setns = koffi.load(null).func('int setns(int, int)') as (fd: number, type: number) => number;

/** Root and a TUN driver. */
export function namespacesPossible(): boolean {
  try {
    accessSync('/dev/net/tun');
    execFileSync('ip', ['netns', 'list'], { stdio: 'ignore' });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

let created = 0;

export class Namespace {
  readonly name: string;
  #removed = false;
  readonly #atExit = () => this.remove();

  /** An empty namespace with its loopback up. It is removed at the end of the process if not before. */
  constructor(prefix: string) {
    this.name = `${prefix}-${process.pid}-${++created}`;
    execFileSync('ip', ['netns', 'add', this.name]);
    process.once('exit', this.#atExit);
    this.ip('link', 'set', 'lo', 'up');
    // Or each new device would begin with router solicitations, in the way of tests that read packets.
    this.inside(() => writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1'));
  }

  /** Runs `ip` in the namespace. */
  ip(...args: string[]): void {
    execFileSync('ip', ['-n', this.name, ...args]);
  }

  /** Runs a program in the namespace to its end; returns what it printed. Throws unless its status is 0. */
  run(program: string, ...args: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name, program, ...args], {
      encoding: 'utf8',
      timeout: 60_000,
    });
  }

  /** Starts a program in the namespace. */
  spawn(program: string, ...args: string[]): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.name, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Calls `action` with this thread in the namespace: sockets and devices that it opens (at once) belong there. */
  inside<T>(action: () => T): T {
    const leave = this.#enter();
    try {
      return action();
    } finally {
      leave();
    }
  }

  /** The same until the promise is settled. Whatever else the thread does in the meantime is there too. */
  async insideUntil<T>(action: () => Promise<T>): Promise<T> {
    const leave = this.#enter();
    try {
      return await action();
    } finally {
      leave();
    }
  }

  #enter(): () => void {
    const home = openSync('/proc/thread-self/ns/net', 'r');
    const there = openSync(`/run/netns/${this.name}`, 'r');
    if (setns(there, CLONE_NEWNET) < 0) throw new Error(`setns to ${this.name} failed`);
    closeSync(there);
    return () => {
      if (setns(home, CLONE_NEWNET) < 0) throw new Error('setns back failed');
      closeSync(home);
    };
  }

  remove(): void {
    if (this.#removed) return;
    this.#removed = true;
    process.off('exit', this.#atExit);
    execFileSync('ip', ['netns', 'del', this.name]);
  }
}
