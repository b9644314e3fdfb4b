/** What every command shares: errors as one clear line (or JSON), exit status by class of error. */
import { Command, Errors } from '@oclif/core';
import { toVpnrError, VpnrError } from '../errors.js';
import { writeReport } from '../report/file.js';
import { tellFailure, writeJson } from './tell.js';
import { describeError } from './text.js';

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
    tellFailure(known, error, this.jsonEnabled());
  }

  /** Writes a page. That it cannot be written is told, by the exit status too, but what was found out is not lost with it. */
  protected async writePage(file: string, page: string): Promise<void> {
    try {
      await writeReport(file, page);
    } catch (error) {
      const known = toVpnrError(error);
      process.stderr.write(`${describeError(known)}\n`);
      process.exitCode = known.exitStatus;
    }
  }

  /** One JSON object a line, so that a reader can follow. */
  public override logJson(value: unknown): void {
    writeJson(value);
  }
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
