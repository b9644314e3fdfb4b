/** What the commands `vpnr bench ...` share: flags, progress, table, page, and ending on Ctrl-C. */
import { Flags } from '@oclif/core';
import type { BenchContext } from '../bench/context.js';
import type { Outcome } from '../bench/model.js';
import { benchmarkPage } from '../bench/page.js';
import { progressOn } from '../bench/progress.js';
import { drawBenchmark } from '../bench/text.js';
import { VpnrError } from '../errors.js';
import { ownProgram } from '../lab/index.js';
import { needsUserNamespace, runInUserNamespace, userNamespaceObstacle } from '../lab/private.js';
import { mustBeWritable } from '../report/file.js';
import { coloursAllowed } from '../report/paint.js';
import { VpnrCommand } from './base.js';
import { INTERRUPTED, untilStopped } from './until-stopped.js';

export interface BenchFlags {
  quick: boolean;
  report?: string | undefined;
}

export abstract class BenchCommand extends VpnrCommand {
  static override baseFlags = {
    quick: Flags.boolean({ description: 'a rough result sooner: fewer and shorter rounds' }),
    report: Flags.string({
      helpValue: 'FILE.html',
      description: 'also write one self-contained page with plots',
    }),
  };

  /**
   * Runs a benchmark, shows it, and writes its page; what is returned is the object for --json. Undefined when it was
   * interrupted.
   */
  protected async measure<Json>(
    flags: BenchFlags,
    run: (context: BenchContext) => Promise<Outcome<Json>>,
  ): Promise<Json | undefined> {
    const { report } = flags;
    if (report !== undefined) await mustBeWritable(report);
    const outcome = await this.watch(flags, run);
    if (outcome === undefined) return undefined;
    const { benchmark, json } = outcome;
    this.log(drawBenchmark(benchmark, process.stdout.isTTY === true && coloursAllowed()).join('\n'));
    if (report !== undefined) await this.writePage(report, benchmarkPage(benchmark));
    return json;
  }

  /** Runs what shows its progress and ends on Ctrl-C; undefined, with the exit status set, when it was interrupted. */
  protected async watch<Result>(
    { quick }: Pick<BenchFlags, 'quick'>,
    run: (context: BenchContext) => Promise<Result>,
  ): Promise<Result | undefined> {
    const progress = progressOn(process.stderr, { json: this.jsonEnabled(), term: process.env.TERM });
    let result: Result | undefined;
    let interrupted = false;
    await untilStopped(async signal => {
      try {
        result = await run({ signal, progress, quick });
      } catch (error) {
        if (!signal.aborted || signal.reason instanceof Error) throw error;
        interrupted = true;
      } finally {
        progress.end();
      }
    });
    if (interrupted) {
      this.logToStderr('interrupted');
      process.exitCode = INTERRUPTED;
    }
    return result;
  }

  /**
   * For what needs a laboratory: without root, runs this command again in a user namespace, where there can be one, and
   * returns true; its output and exit status are then this command's. Where there cannot, the benchmark says what it skipped.
   */
  protected async ranInNamespace(): Promise<boolean> {
    if (!needsUserNamespace() || userNamespaceObstacle() !== undefined) return false;
    process.exitCode = await runInUserNamespace([...ownProgram(), ...process.argv.slice(2)]);
    return true;
  }
}

/** The names in a list with commas, in the order in which they are shown; all when there is no list. Throws USAGE. */
export function chosen<Name extends string>(
  what: string,
  list: string | undefined,
  all: readonly Name[],
): Name[] {
  if (list === undefined) return [...all];
  const names = list.split(',').map(name => name.trim());
  const unknown = names.find(name => !all.some(known => known === name));
  if (unknown !== undefined) {
    throw new VpnrError('USAGE', `there is no ${what} "${unknown}"`, {
      remedy: `one or more of ${all.join(',')}`,
    });
  }
  return all.filter(name => names.includes(name));
}
