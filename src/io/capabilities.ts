/**
 * Giving up capabilities (capabilities(7)) for good. They belong to threads, and the runtime has threads of its own before the first
 * line of a program: so the calling thread gives them up, and the program starts anew in the same process (execve(2)), which ends
 * all other threads.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { capset, check, execv, F_GETFD, F_SETFD, FD_CLOEXEC, fcntl, NativeMemory, prctl } from './libc.js';

/** Numbers of <linux/capability.h>, as bits of a set. */
const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;

export type Capability = (typeof CAPABILITIES)[number];

/** One bit for each capability, by its number. */
type CapabilitySet = bigint;

interface CapabilitySets {
  permitted: CapabilitySet;
  inheritable: CapabilitySet;
  bounding: CapabilitySet;
}

const CAPABILITY_VERSION = 0x20080522;
const WORDS = 2;
const WORD_BITS = 32n;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const STANDARD_STREAMS = [0, 1, 2];

function setOf(capabilities: readonly Capability[]): CapabilitySet {
  return capabilities.reduce((set, name) => set | (1n << BigInt(CAPABILITIES.indexOf(name))), 0n);
}

function readSets(status: string): CapabilitySets {
  const text = readFileSync(status, 'utf8');
  const field = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(text)?.[1] ?? 0}`);
  return { permitted: field('CapPrm'), inheritable: field('CapInh'), bounding: field('CapBnd') };
}

/** What at least one thread of this process holds. Those that this program knows no name of are called by number. */
export function heldCapabilities(): string[] {
  const threads = readdirSync('/proc/self/task');
  const held = threads.reduce((set, id) => set | readSets(`/proc/self/task/${id}/status`).permitted, 0n);
  return numbersIn(held).map(number => CAPABILITIES[number] ?? `${number}`);
}

/** Whether the main thread, which is the caller, holds others, or may pass others on to programs that it runs. */
export function holdsOthersThan(kept: readonly Capability[]): boolean {
  const { permitted, inheritable } = readSets('/proc/self/status');
  return ((permitted | inheritable) & ~setOf(kept)) !== 0n;
}

/**
 * Keeps, of those that it holds, only these, in the calling thread and in all programs that it becomes or runs. Throws what the
 * system says.
 */
export function keepOnly(kept: readonly Capability[]): void {
  const keep = setOf(kept);
  const { permitted, inheritable, bounding } = readSets('/proc/self/status');
  // Programs that it runs get no more than it has, whatever the bounding set and the programs' files allow. So after this it
  // does not matter when the bounding set cannot be changed, as in containers.
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'give up new privileges');
  for (const number of numbersIn(bounding & ~keep)) prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
  const header = new NativeMemory(8);
  header.view.setUint32(0, CAPABILITY_VERSION, true);
  const data = new NativeMemory(WORDS * 12);
  for (let word = 0; word < WORDS; word++) {
    const wordOf = (set: CapabilitySet) =>
      Number(((set & keep) >> (WORD_BITS * BigInt(word))) & 0xffff_ffffn);
    data.view.setUint32(word * 12, wordOf(permitted), true); // effective
    data.view.setUint32(word * 12 + 4, wordOf(permitted), true);
    // With it goes the ambient set, which is never more.
    data.view.setUint32(word * 12 + 8, wordOf(inheritable), true);
  }
  check(capset(header.address, data.address), 'give up capabilities');
}

/** Becomes this program, with the environment and the standard streams of this one. Returns only by throwing what the system says. */
export function becomeProgram(program: string, args: readonly string[]): never {
  for (const fd of STANDARD_STREAMS) {
    // The runtime marks what it inherits as its own alone.
    const flags = fcntl(fd, F_GETFD, 0);
    if (flags >= 0) fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
  }
  check(execv(program, [program, ...args, null]), `run ${program}`);
  throw new Error('execv returned');
}

function numbersIn(set: CapabilitySet): number[] {
  return set
    .toString(2)
    .split('')
    .reverse()
    .flatMap((bit, number) => (bit === '1' ? [number] : []));
}
