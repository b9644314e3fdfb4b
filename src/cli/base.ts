/** What every command shares: errors as one clear line (or JSON), exit status by class of error. */
import { Command, Errors } from '@oclif/core';
import { toVpnrError, VpnrError } from '../errors.js';

const INTERRUPTED = 130;

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

/** Aborted with a reason on the first SIGINT, SIGTERM or SIGHUP; a second SIGINT ends the process at once. */
export function stopSignal(): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    if (controller.signal.aborted && name === 'SIGINT') process.exit(INTERRUPTED);
    controller.abort(name);
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, stop);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of names) process.removeListener(name, stop);
    },
  };
}

export function describeError(error: VpnrError): string {
  const remedy = error.remedy === undefined ? '' : `\n  ${error.remedy}`;
  return `error ${error.code}: ${error.message}${remedy}`;
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
  return reasons.join('; ');
}

function usageRemedy(id: string | undefined): string {
  return id === undefined ? 'see vpnr --help' : `see vpnr ${id} --help`;
}
