import { Flags } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { nameArgument } from '../cli/flags.js';
import { untilUnread, writeLine } from '../cli/follow.js';
import { onlyRunning } from '../cli/names.js';
import { describeEntry } from '../cli/render-log.js';
import { eventsOf } from '../control/client.js';
import type { LogEntry } from '../control/event-log.js';
import { readLog } from '../control/log-file.js';
import { VpnrError } from '../errors.js';

export default class Logs extends VpnrCommand {
  static override summary = 'Show the events of a connection, relay or gateway.';

  static override description =
    'What is running keeps its last 1,000 events. Of a connection that ran in the background (connect --detach) they are ' +
    'also in a file, so that they can be read after its end. With --json, one object a line.';

  static override examples = [
    '<%= config.bin %> logs',
    '<%= config.bin %> logs work --follow',
    '<%= config.bin %> logs work --lines 1000 --json',
  ];

  static override args = {
    name: nameArgument({ description: 'name of it; not needed when only one is running' }),
  };

  static override flags = {
    follow: Flags.boolean({
      char: 'f',
      default: false,
      description: 'go on with what happens from now on, until its end or Ctrl-C',
    }),
    lines: Flags.integer({
      char: 'n',
      helpValue: 'N',
      default: 20,
      min: 0,
      description: 'how many of the last events',
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Logs);
    const name = onlyRunning(args.name);
    await untilUnread(async signal => {
      for await (const entry of this.#entries(name, flags, signal)) {
        await writeLine(this.jsonEnabled() ? JSON.stringify(entry) : describeEntry(entry, true), signal);
      }
    });
  }

  /** Of what is running from itself, else from the file. */
  async *#entries(
    name: string,
    { lines, follow }: { lines: number; follow: boolean },
    signal: AbortSignal,
  ): AsyncGenerator<LogEntry> {
    try {
      yield* eventsOf(name, { lines, follow }, signal);
    } catch (error) {
      if (!(error instanceof VpnrError) || error.code !== 'NOT_RUNNING') throw error;
      const kept = readLog(name, lines);
      if (kept === undefined) throw error;
      if (follow) {
        throw new VpnrError('NOT_RUNNING', `${name} is not running, so there is nothing to follow`, {
          remedy: `read what it left: vpnr logs ${name}`,
        });
      }
      yield* kept;
    }
  }
}
