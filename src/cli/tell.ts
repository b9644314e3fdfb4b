/** What a command writes, with oclif or without. */
import type { VpnrError } from '../errors.js';
import { describeError } from './text.js';

/** One JSON object a line, so that a reader can follow. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Says why a command has failed, and lets the exit status tell it. `thrown`: what `known` was made of. */
export function tellFailure(known: VpnrError, thrown: unknown, json: boolean): void {
  const { code, message, remedy, exitStatus } = known;
  if (json)
    writeJson({ time: new Date().toISOString(), event: 'error', code, message, remedy: remedy ?? null });
  else process.stderr.write(`${describeError(known)}\n`);
  if (code === 'INTERNAL') process.stderr.write(`${(thrown as Error).stack ?? ''}\n`);
  process.exitCode = exitStatus;
}
