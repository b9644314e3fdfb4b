import { existsSync, readFileSync } from 'node:fs';
import { Flags } from '@oclif/core';
import { VpnrCommand } from '../../cli/base.js';
import { carryOutInit, type InitResult, initFlags } from '../../cli/init.js';
import { Questions } from '../../cli/questions.js';
import { readPrivateFile } from '../../config/secrets.js';
import { CLIENT_FILE, clientFiles } from '../../init/client-files.js';
import { convertSwanctl } from '../../init/from-swanctl.js';
import { readInvitations } from '../../init/invitation.js';
import { readSwanctl, readSwanctlText, type Swanctl } from '../../init/swanctl-files.js';

const STDIN = 0;
const START = [`  vpnr check -c ${CLIENT_FILE}`, `  vpnr connect -c ${CLIENT_FILE}`];

export default class InitClient extends VpnrCommand {
  static override summary = 'Set up a client from the invitations of its gateways and its relay.';

  static override description =
    'Writes the configuration and the secrets it names. Gateways are preferred in the order in which their invitations are given.';

  static override examples = [
    '<%= config.bin %> init client --invitation client1.tokyo.invitation \\\n  --invitation client1.osaka.invitation --invitation client1.relay.invitation',
    'ssh tokyo cat client1.tokyo.invitation | <%= config.bin %> init client --invitation -',
    '<%= config.bin %> init client --from /etc/swanctl/swanctl.conf \\\n  --invitation client1.relay.invitation',
  ];

  static override flags = {
    invitation: Flags.string({
      multiple: true,
      helpValue: 'FILE',
      description: 'of a gateway or the relay; - for standard input',
    }),
    from: Flags.string({
      helpValue: 'FILE',
      description: "swanctl.conf of strongSwan's client: its gateways; invitations add a relay, or others",
    }),
    name: Flags.string({ default: 'work', description: 'of the connection' }),
    route: Flags.string({
      multiple: true,
      helpValue: 'PREFIX',
      description: 'network that is reached through the tunnel; what the files say unless given',
    }),
    ...initFlags,
  };

  async run(): Promise<InitResult> {
    const { flags } = await this.parse(InitClient);
    const sources = await this.#sources(flags);
    const invitations = sources.flatMap(source => readInvitations(readInvitation(source), source));
    const answers = { name: flags.name, invitations, routes: flags.route ?? [] };
    const connect =
      sources.length === 0 ? 'Connect:' : 'Connect, and remove the invitations, which hold secrets:';
    if (flags.from === undefined)
      return carryOutInit(clientFiles(answers), flags, [connect, ...START], line => this.log(line));
    const { files, notes } = convertSwanctl(readConnections(flags.from), answers);
    for (const note of notes) this.logToStderr(`not taken over: ${note}`);
    const next = ['Stop strongSwan, which has the same ports.', connect, ...START];
    return carryOutInit(files, flags, next, line => this.log(line));
  }

  /** The files with invitations. With strongSwan's configuration nobody is asked for them. */
  async #sources({
    from,
    invitation,
  }: Record<'from', string | undefined> & Record<'invitation', string[] | undefined>): Promise<string[]> {
    if (from !== undefined) return invitation ?? [];
    const questions = new Questions();
    const sources = await questions.askList(invitation, {
      flag: '--invitation (or --from)',
      text: 'Files with the invitations of gateways and relay',
      // A file that a flag names is missed when it is read.
      ...(invitation === undefined && { complaint: missed }),
    });
    questions.finish();
    return sources;
  }
}

function missed(file: string): string | undefined {
  return existsSync(file) ? undefined : 'there is no such file';
}

function readInvitation(source: string): string {
  if (source === '-') return readFileSync(STDIN, 'utf8');
  return new TextDecoder().decode(readPrivateFile(source, 'the invitation', 'on the command line'));
}

function readConnections(source: string): Swanctl {
  return source === '-'
    ? readSwanctlText(readFileSync(STDIN, 'utf8'), 'standard input')
    : readSwanctl(source);
}
