import { readFileSync } from 'node:fs';
import { Flags } from '@oclif/core';
import { VpnrCommand } from '../../cli/base.js';
import { carryOutInit, type InitResult, initFlags } from '../../cli/init.js';
import { Questions } from '../../cli/questions.js';
import { readPrivateFile } from '../../config/secrets.js';
import { CLIENT_FILE, clientFiles } from '../../init/client-files.js';
import { convertSwanctl } from '../../init/from-swanctl.js';
import { readInvitations } from '../../init/invitation.js';

const STDIN = 0;
const START = [`  vpnr check -c ${CLIENT_FILE}`, `  vpnr connect -c ${CLIENT_FILE}`];

export default class InitClient extends VpnrCommand {
  static override summary = 'Set up a client from the invitations of its gateways and its relay.';

  static override description =
    'Writes the configuration and the secrets it names. Gateways are preferred in the order in which their invitations are given.';

  static override examples = [
    '<%= config.bin %> init client --invitation client1.tokyo.invitation \\\n  --invitation client1.osaka.invitation --invitation client1.relay.invitation',
    'ssh tokyo cat client1.tokyo.invitation | <%= config.bin %> init client --invitation -',
  ];

  static override flags = {
    invitation: Flags.string({
      multiple: true,
      helpValue: 'FILE',
      description: 'of a gateway or the relay; - for standard input',
    }),
    from: Flags.string({
      helpValue: 'FILE',
      exclusive: ['invitation', 'route'],
      description: "of strongSwan's client instead: its swanctl.conf",
    }),
    name: Flags.string({ default: 'work', description: 'of the connection' }),
    route: Flags.string({
      multiple: true,
      helpValue: 'PREFIX',
      description: 'network that is reached through the tunnel; what the invitations say unless given',
    }),
    ...initFlags,
  };

  async run(): Promise<InitResult> {
    const { flags } = await this.parse(InitClient);
    if (flags.from !== undefined) return this.#convert(flags.from, flags);
    const questions = new Questions();
    const sources = await questions.askList(flags.invitation, {
      flag: '--invitation',
      text: 'Files with the invitations of gateways and relay',
    });
    questions.finish();
    const invitations = sources.flatMap(source => readInvitations(read(source, 'the invitation'), source));
    const files = clientFiles({ name: flags.name, invitations, routes: flags.route ?? [] });
    const next = ['Connect, and remove the invitations, which hold secrets:', ...START];
    return carryOutInit(files, flags, next, line => this.log(line));
  }

  /** What strongSwan's configuration says, without a relay. */
  #convert(source: string, flags: { dir: string; force: boolean; name: string }): Promise<InitResult> {
    const { files, notes } = convertSwanctl(
      read(source, 'the configuration of strongSwan'),
      source,
      flags.name,
    );
    for (const note of notes) this.logToStderr(`not taken over: ${note}`);
    const next = ['Stop strongSwan, which has the same ports, and connect:', ...START];
    return carryOutInit(files, flags, next, line => this.log(line));
  }
}

function read(source: string, purpose: string): string {
  if (source === '-') return readFileSync(STDIN, 'utf8');
  return new TextDecoder().decode(readPrivateFile(source, purpose));
}
