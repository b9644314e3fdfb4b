import { Args } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { type AnyStatus, describeStatus } from '../cli/render.js';
import { ask, runningNames } from '../control/client.js';
import { VpnrError } from '../errors.js';

export default class Status extends VpnrCommand {
  static override summary = 'Show what is running: gateways, device, relay, traffic, drops.';

  static override description =
    'With --json, an object for the one that is named or the only one, else a list.';

  static override examples = ['<%= config.bin %> status', '<%= config.bin %> status work --json'];

  static override args = {
    name: Args.string({ description: 'name of the connection; all of them if there is none' }),
  };

  async run(): Promise<AnyStatus | AnyStatus[]> {
    const { args } = await this.parse(Status);
    const statuses = args.name === undefined ? await allStatuses() : [await statusOf(args.name)];
    this.log(statuses.map(describeStatus).join('\n\n'));
    const [only, ...others] = statuses;
    if (only === undefined) throw new VpnrError('NOT_RUNNING', 'nothing is running');
    return others.length === 0 ? only : statuses;
  }
}

async function statusOf(name: string): Promise<AnyStatus> {
  const status = await ask<AnyStatus>(name, { command: 'status' });
  if (status === undefined) throw new VpnrError('NOT_RUNNING', `${name} gave no status`);
  return status;
}

/** Sockets that dead processes left are passed over. */
async function allStatuses(): Promise<AnyStatus[]> {
  const results = await Promise.allSettled(runningNames().map(statusOf));
  const refused = results.find(
    result => result.status === 'rejected' && result.reason.code !== 'NOT_RUNNING',
  );
  if (refused?.status === 'rejected') throw refused.reason;
  return results.flatMap(result => (result.status === 'fulfilled' ? result.value : []));
}
