import { check, NativeMemory, setrlimit } from './libc.js';

const RLIMIT_CORE = 4;
/** Soft and hard limit, u64 each. */
const RLIMIT_SIZE = 16;

/** Has no image of the memory, and so of keys, written when this process or one that it becomes or starts crashes. */
export function forbidCoreDumps(): void {
  check(setrlimit(RLIMIT_CORE, new NativeMemory(RLIMIT_SIZE).address), 'forbid core dumps');
}
