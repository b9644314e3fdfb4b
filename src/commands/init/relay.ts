import { Flags } from '@oclif/core';
import { VpnrCommand } from '../../cli/base.js';
import { carryOutInit, type InitResult, initFlags } from '../../cli/init.js';
import { Questions } from '../../cli/questions.js';
import { localAddresses } from '../../init/machine.js';
import { defaultPool, invitationFile, RELAY_FILE, relayFiles } from '../../init/server-files.js';

export default class InitRelay extends VpnrCommand {
  static override summary =
    'Set up a relay: configuration, certificate, tokens, and an invitation for each client.';

  static override description =
    'Asks for what the flags do not say. The invitation, a small file with a secret, is what the client needs: bring it there by a safe way, for `vpnr init client`.';

  static override examples = [
    '<%= config.bin %> init relay',
    '<%= config.bin %> init relay --address 10.20.0.100 --network 10.30.0.0/16 --client client1',
  ];

  static override flags = {
    address: Flags.string({ description: "this machine's IPv4 address, as seen from behind the gateways" }),
    network: Flags.string({
      multiple: true,
      helpValue: 'PREFIX',
      description: 'network of servers that clients reach through it',
    }),
    pool: Flags.string({ helpValue: 'PREFIX', description: 'addresses under which servers see clients' }),
    client: Flags.string({
      multiple: true,
      helpValue: 'NAME',
      description: 'a client; client1 unless given',
    }),
    ...initFlags,
  };

  async run(): Promise<InitResult> {
    const { flags } = await this.parse(InitRelay);
    const questions = new Questions();
    const local = localAddresses();
    const [first] = local;
    const address = await questions.ask(flags.address, {
      flag: '--address',
      text: "This machine's IPv4 address, as seen from behind the gateways",
      ...(first && { usual: first.address }),
    });
    const inner = local.filter(entry => entry.address !== address).map(({ network }) => network);
    const networks = await questions.askList(flags.network, {
      flag: '--network',
      text: 'Networks of servers that clients reach through it',
      ...(inner.length > 0 && { usual: inner.join(' ') }),
    });
    const clients = await questions.askList(flags.client, {
      flag: '--client',
      text: 'Names of the clients',
      usual: 'client1',
    });
    questions.finish();
    const pool = flags.pool ?? defaultPool(`relay ${address}`);
    const files = relayFiles({ address, pool, networks, clients });
    const next = [
      `Start it here (servers need a route to ${pool} by way of this machine):`,
      `  vpnr check -c ${RELAY_FILE}`,
      `  vpnr relay -c ${RELAY_FILE}`,
      ...clients.flatMap(client => [
        `Bring ${invitationFile(client, 'relay')} to ${client} by a safe way (scp); there, with those of the gateways:`,
        `  vpnr init client --invitation ${invitationFile(client, 'relay')}`,
      ]),
    ];
    return carryOutInit(files, flags, next, line => this.log(line));
  }
}
