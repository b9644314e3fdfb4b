import { Flags } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { initFlags } from '../cli/init.js';
import { complaintOf, Questions } from '../cli/questions.js';
import { word } from '../config/values.js';
import { VpnrError } from '../errors.js';

export default class Init extends VpnrCommand {
  static override summary = 'Set up this machine as a gateway, a relay or a client: by a few questions.';

  static override description =
    'Asks what the machine is to be, and then what "init gateway", "init relay" or "init client" ask for, which also take flags in place of answers.';

  static override examples = ['<%= config.bin %> init', '<%= config.bin %> init gateway --help'];

  static override flags = {
    ...initFlags,
    from: Flags.string({ helpValue: 'FILE', description: 'as of "init client"' }),
    invitation: Flags.string({ multiple: true, helpValue: 'FILE', description: 'as of "init client"' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Init);
    const common = [
      ...['--dir', flags.dir],
      ...(flags.force ? ['--force'] : []),
      ...(this.jsonEnabled() ? ['--json'] : []),
    ];
    if (flags.from !== undefined || flags.invitation !== undefined) {
      const from = flags.from === undefined ? [] : ['--from', flags.from];
      const invitations = (flags.invitation ?? []).flatMap(file => ['--invitation', file]);
      await this.config.runCommand('init:client', [...common, ...from, ...invitations]);
      return;
    }
    const questions = new Questions();
    if (!questions.isTerminal) {
      throw new VpnrError('USAGE', 'nobody can be asked what this machine is to be', {
        remedy: 'say it: vpnr init gateway, vpnr init relay or vpnr init client',
      });
    }
    const role = await questions.ask(undefined, {
      flag: '',
      text: 'What is this machine to be: gateway, relay or client',
      complaint: complaintOf(word('gateway', 'relay', 'client')),
    });
    questions.finish();
    await this.config.runCommand(`init:${role}`, common);
  }
}
