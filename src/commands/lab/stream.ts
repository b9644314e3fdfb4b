import { Args } from '@oclif/core';
import { VpnrCommand } from '../../cli/base.js';
import { runStreamEnd, type StreamEndOptions } from '../../lab/stream-end.js';

export default class LabStream extends VpnrCommand {
  static override summary =
    'One end of a stream of UDP datagrams in the laboratory; the laboratory itself starts it.';

  static override hidden = true;

  static override args = {
    options: Args.string({ required: true, description: 'JSON, as in src/lab/stream-end.ts' }),
  };

  async run(): Promise<void> {
    const { args } = await this.parse(LabStream);
    runStreamEnd(JSON.parse(args.options) as StreamEndOptions);
    // The process ends when the stream has.
    await new Promise(() => {});
  }
}
