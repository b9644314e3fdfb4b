import { VpnrError } from '../errors.js';

/** Between two looks at a condition, milliseconds. */
const LOOK_MS = 20;

/**
 * Resolves with the first value of `condition` that is not undefined. Throws LAB_FAILED, naming `what`, when
 * there is none within `timeoutMs`.
 */
export async function until<T>(
  what: string,
  timeoutMs: number,
  condition: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined) return value;
    if (performance.now() >= deadline)
      throw new VpnrError('LAB_FAILED', `${what}: not within ${timeoutMs} ms`);
    await new Promise(resolve => setTimeout(resolve, LOOK_MS));
  }
}
