import { Args } from '@oclif/core';
import { VpnrCommand } from '../../cli/base.js';
import { runTransferEnd, type TransferEndOptions } from '../../lab/transfer-end.js';

export default class LabTransfer extends VpnrCommand {
  static override summary = 'One end of a TCP transfer in the laboratory; the laboratory itself starts it.';

  static override hidden = true;

  static override args = {
    options: Args.string({ required: true, description: 'JSON, as in src/lab/transfer-end.ts' }),
  };

  async run(): Promise<void> {
    const { args } = await this.parse(LabTransfer);
    runTransferEnd(JSON.parse(args.options) as TransferEndOptions);
    // The process ends when the transfer has.
    await new Promise(() => {});
  }
}
