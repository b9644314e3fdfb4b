/** What every command shares: errors as one clear line (or JSON), exit status by class of error. */
import { Command, Errors } from '@oclif/core';
import { toVpnrError, VpnrError } from '../errors.js';
import { describeError } from './text.js';

/** Exit status after Ctrl-C. */
export const INTERRUPTED = 130;

export abstract class VpnrCommand extends Command {
  static override enableJsonFlag = true;

  protected override async catch(
    error: Error & { oclif?: { exit?: number }; exitCode?: number },
  ): Promise<void> {
    // Exits that oclif asks for (--help, process signals) are no errors.
    if (error instanceof Errors.ExitError) throw error;
    const known = isUsageError(error)
      ? new VpnrError('USAGE', usageMessage(error.message), { remedy: usageRemedy(this.id) })
      : toVpnrError(error);
    if (this.jsonEnabled())
      this.logJson({
        time: new Date().toISOString(),
        event: 'error',
        code: known.code,
        message: known.message,
        remedy: known.remedy ?? null,
      });
    else this.logToStderr(describeError(known));
    if (known.code === 'INTERNAL') process.stderr.write(`${error.stack ?? ''}\n`);
    process.exitCode = known.exitStatus;
  }

  /** One JSON object a line, so that a reader can follow. */
  public override logJson(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value)}\n`);
  }
}

/**
 * Runs what must clean up after itself. Its signal is aborted on the first SIGINT, SIGTERM or, where that ends it, SIGHUP, and on
 * an error that nobody caught, which is thrown once the clean-up is done. A second SIGINT ends the process at once.
 */
export async function untilStopped(
  run: (signal: AbortSignal) => Promise<void>,
  hangUpEnds = true,
): Promise<void> {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    if (controller.signal.aborted && name === 'SIGINT') process.exit(INTERRUPTED);
    controller.abort(name);
  };
  const fail = (error: unknown) => controller.abort(toVpnrError(error));
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', ...(hangUpEnds ? ['SIGHUP' as const] : [])];
  for (const name of signals) process.on(name, stop);
  process.on('uncaughtException', fail);
  try {
    await run(controller.signal);
  } finally {
    for (const name of signals) process.removeListener(name, stop);
    process.removeListener('uncaughtException', fail);
  }
  if (controller.signal.reason instanceof Error) throw controller.signal.reason;
}

function isUsageError(error: Error & { oclif?: { exit?: number } }): boolean {
  return error instanceof Errors.CLIError && error.oclif?.exit === 2;
}

/** oclif wraps its reasons: "The following error occurred:", the reasons, "See more help with --help". */
function usageMessage(text: string): string {
  const reasons = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !/^(The following errors? occurred|See more help)/.test(line));
  // A reason may be a heading with a list below it.
  return reasons
    .join('; ')
    .replaceAll(':; ', ': ')
    .replace(/arg(s?): +/, 'argument$1: ');
}

function usageRemedy(id: string | undefined): string {
  return id === undefined ? 'see vpnr --help' : `see vpnr ${id.replaceAll(':', ' ')} --help`;
}
