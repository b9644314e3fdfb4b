import { Flags } from '@oclif/core';
import { VpnrCommand } from '../../cli/base.js';
import {
  askAddress,
  askClients,
  askNetworks,
  carryOutInit,
  clientFlag,
  type InitResult,
  initFlags,
  inviting,
} from '../../cli/init.js';
import { Questions } from '../../cli/questions.js';
import { RELAY_PORT } from '../../config/client.js';
import { ipv4Port, network } from '../../config/values.js';
import { defaultPool, RELAY_FILE, relayFiles } from '../../init/server-files.js';

export default class InitRelay extends VpnrCommand {
  static override summary = 'Set up a relay: configuration, certificate, tokens, invitations.';

  static override description =
    'Asks for what the flags do not say. The invitation, a small file with a secret, is what the client needs: bring it there by a safe way, for `vpnr init client`.';

  static override examples = [
    '<%= config.bin %> init relay',
    '<%= config.bin %> init relay --address 10.20.0.100 --network 10.30.0.0/16 \\\n  --client client1',
  ];

  static override flags = {
    address: Flags.string({ description: "this machine's IPv4 address, as seen from behind the gateways" }),
    network: Flags.string({
      multiple: true,
      helpValue: 'PREFIX',
      description: 'network of servers that clients reach through it',
    }),
    pool: Flags.string({
      helpValue: 'PREFIX',
      description: 'addresses under which servers see clients; a /24 of 10.0.0.0/8 unless given',
    }),
    client: clientFlag,
    ...initFlags,
  };

  async run(): Promise<InitResult> {
    const { flags } = await this.parse(InitRelay);
    const questions = new Questions();
    const address = await askAddress(
      questions,
      flags.address,
      "This machine's IPv4 address, as seen from behind the gateways",
      ipv4Port(RELAY_PORT),
    );
    const networks = await askNetworks(
      questions,
      flags.network,
      'Networks of servers that clients reach through it',
      address,
      network,
    );
    const clients = await askClients(questions, flags.client);
    questions.finish();
    const pool = flags.pool ?? defaultPool(`relay ${address}`);
    const files = relayFiles({ address, pool, networks, clients });
    const next = [
      `Start it here (servers need a route to ${pool} by way of this machine):`,
      `  vpnr check -c ${RELAY_FILE}`,
      `  vpnr relay -c ${RELAY_FILE}`,
      ...inviting(clients, 'relay'),
    ];
    return carryOutInit(files, flags, next, line => this.log(line));
  }
}
