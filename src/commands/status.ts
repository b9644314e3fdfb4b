import { Flags } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { intervalFlag, nameArgument } from '../cli/flags.js';
import { untilUnread, writeLine } from '../cli/follow.js';
import { namesOrAll } from '../cli/names.js';
import { type AnyStatus, describeStatus } from '../cli/render.js';
import { formatDuration, stamp } from '../cli/text.js';
import type { Look } from '../cli/watch/history.js';
import { drawLine, drawScreen, type Picture, painter } from '../cli/watch/screen.js';
import { Terminal } from '../cli/watch/terminal.js';
import { watch } from '../cli/watch/watch.js';
import { leftKillSwitches } from '../client/left-over.js';
import { ask } from '../control/client.js';
import { toVpnrError, VpnrError } from '../errors.js';
import { coloursAllowed } from '../report/paint.js';

export default class Status extends VpnrCommand {
  static override summary = 'Show what is running: gateways, device, relay, traffic, drops.';

  static override description =
    'With --json, an object for the one that is named or the only one, else a list. With --watch, again and again until ' +
    'Ctrl-C: a live screen on a terminal, elsewhere a line each time; with --json one object each time, with "time", ' +
    '"running", a list of what is running, each also with "rates", and "killSwitches", the names of connections that do not run ' +
    'and whose kill switch is on.';

  static override examples = [
    '<%= config.bin %> status',
    '<%= config.bin %> status --watch',
    '<%= config.bin %> status work --json',
  ];

  static override args = {
    name: nameArgument({ description: 'name of the connection; all of them if there is none' }),
  };

  static override flags = {
    watch: Flags.boolean({ char: 'w', description: 'show it again and again, until Ctrl-C' }),
    interval: intervalFlag({ dependsOn: ['watch'], description: 'of --watch: 1s unless given' }),
  };

  async run(): Promise<AnyStatus | AnyStatus[] | undefined> {
    const { args, flags } = await this.parse(Status);
    const statuses = args.name === undefined ? await allStatuses() : [await statusOfNamed(args.name)];
    const [only, ...others] = statuses;
    if (only === undefined) throw notRunning('nothing is running', leftKillSwitches());
    if (flags.watch) {
      await this.#watch(args.name, flags.interval ?? 1000);
      return undefined;
    }
    const blocked = args.name === undefined ? leftKillSwitches().map(describeLeftKillSwitch) : [];
    this.log([...statuses.map(describeStatus), ...blocked].join('\n\n'));
    return others.length === 0 ? only : statuses;
  }

  #watch(name: string | undefined, intervalMs: number): Promise<void> {
    return untilUnread(async signal => {
      const live = !this.jsonEnabled() && process.stdout.isTTY && process.env.TERM !== 'dumb';
      const write = (line: string) => writeLine(line, signal);
      const blocked = () => leftKillSwitches().filter(left => name === undefined || left === name);
      if (!live) {
        await watch({ name, intervalMs, show: looks => this.#print(looks, blocked(), write) }, signal);
        return;
      }
      const paint = painter(coloursAllowed());
      const title = `vpnr status, every ${formatDuration(intervalMs)}; Ctrl-C ends`;
      let shown: Picture = { looks: [], warnings: [], title };
      const terminal = new Terminal(process.stdout, size => drawScreen(shown, size, paint));
      const show = (looks: readonly Look[]) => {
        shown = { looks, warnings: blocked().map(describeLeftKillSwitch), title };
        terminal.draw();
      };
      try {
        await watch({ name, intervalMs, show }, signal);
      } finally {
        terminal.close();
      }
    });
  }

  async #print(
    looks: readonly Look[],
    killSwitches: readonly string[],
    write: (line: string) => Promise<void>,
  ): Promise<void> {
    const now = new Date();
    if (this.jsonEnabled()) {
      const running = looks.map(({ status, rates }) => ({
        ...status,
        rates: { sentBitsPerSecond: rates.sent ?? null, receivedBitsPerSecond: rates.received ?? null },
      }));
      await write(JSON.stringify({ time: now.toISOString(), running, killSwitches }));
      return;
    }
    const lines = looks.length === 0 ? ['nothing is running'] : looks.map(drawLine);
    await write(
      [...lines, ...killSwitches.map(describeLeftKillSwitch)]
        .map(line => `${stamp(now)}  ${line}`)
        .join('\n'),
    );
  }
}

/** `blocked`: those whose kill switch is on although they do not run. */
function notRunning(what: string, [name]: readonly string[]): VpnrError {
  if (name === undefined)
    return new VpnrError('NOT_RUNNING', what, {
      remedy: 'start one: vpnr connect, relay or gateway -c FILE',
    });
  return new VpnrError('NOT_RUNNING', `${what}, but the kill switch of ${name} is on`, {
    remedy: `connect again, or turn it off: vpnr disconnect ${name}`,
  });
}

function describeLeftKillSwitch(name: string): string {
  return `${name}: not running, kill switch on until "vpnr connect" or "vpnr disconnect ${name}"`;
}

async function statusOf(name: string): Promise<AnyStatus> {
  const status = await ask<AnyStatus>(name, { command: 'status' });
  if (status === undefined) throw new VpnrError('NOT_RUNNING', `${name} gave no status`);
  return status;
}

async function statusOfNamed(name: string): Promise<AnyStatus> {
  try {
    return await statusOf(name);
  } catch (error) {
    if (toVpnrError(error).code !== 'NOT_RUNNING') throw error;
    throw notRunning(
      `${name} is not running`,
      leftKillSwitches().filter(left => left === name),
    );
  }
}

/** Sockets that dead processes left are passed over. */
async function allStatuses(): Promise<AnyStatus[]> {
  const results = await Promise.allSettled(namesOrAll(undefined).map(statusOf));
  const refused = results.find(
    result => result.status === 'rejected' && result.reason.code !== 'NOT_RUNNING',
  );
  if (refused?.status === 'rejected') throw refused.reason;
  return results.flatMap(result => (result.status === 'fulfilled' ? result.value : []));
}
