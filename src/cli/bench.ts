/** What the commands `vpnr bench ...` share: flags, progress, table, page, and ending on Ctrl-C. */
import { writeFileSync } from 'node:fs';
import { Flags } from '@oclif/core';
import type { BenchContext } from '../bench/context.js';
import type { Outcome } from '../bench/model.js';
import { benchmarkPage } from '../bench/page.js';
import { progressOn } from '../bench/progress.js';
import { drawBenchmark } from '../bench/text.js';
import { ownProgram } from '../lab/index.js';
import { needsUserNamespace, runInUserNamespace, userNamespaceObstacle } from '../lab/private.js';
import { mustBeWritable } from '../report/file.js';
import { coloursAllowed } from '../report/paint.js';
import { INTERRUPTED, untilStopped, VpnrCommand } from './base.js';

export interface BenchFlags {
  quick: boolean;
  report?: string | undefined;
}

export abstract class BenchCommand extends VpnrCommand {
  static override baseFlags = {
    quick: Flags.boolean({ description: 'a rough result in a few seconds: fewer and shorter rounds' }),
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
    { quick, report }: BenchFlags,
    run: (context: BenchContext) => Promise<Outcome<Json>>,
  ): Promise<Json | undefined> {
    if (report !== undefined) mustBeWritable(report);
    const progress = progressOn(process.stderr, { json: this.jsonEnabled() });
    let outcome: Outcome<Json> | undefined;
    await untilStopped(async signal => {
      try {
        outcome = await run({ signal, progress, quick });
      } catch (error) {
        if (!signal.aborted || signal.reason instanceof Error) throw error;
      } finally {
        progress.end();
      }
    });
    if (outcome === undefined) {
      this.logToStderr('interrupted');
      process.exitCode = INTERRUPTED;
      return undefined;
    }
    const { benchmark, json } = outcome;
    if (report !== undefined) writeFileSync(report, benchmarkPage(benchmark));
    this.log(drawBenchmark(benchmark, process.stdout.isTTY === true && coloursAllowed()).join('\n'));
    return json;
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
