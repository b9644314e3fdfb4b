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
import { complaintOf, Questions } from '../../cli/questions.js';
import { IKE_PORT } from '../../config/client.js';
import { hostPort, identity as identitySchema, ipv4Network } from '../../config/values.js';
import { localAddresses, machineName } from '../../init/machine.js';
import { defaultPool, GATEWAY_FILE, gatewayFiles } from '../../init/server-files.js';

export default class InitGateway extends VpnrCommand {
  static override summary = 'Set up a gateway: configuration, secrets, an invitation for each client.';

  static override description =
    'Asks for what the flags do not say. The invitation, a small file with a secret, is what the client needs: bring it there by a safe way, for `vpnr init client`.';

  static override examples = [
    '<%= config.bin %> init gateway',
    '<%= config.bin %> init gateway --address 198.51.100.10 --identity tokyo.example.net \\\n  --network 10.20.0.0/16 --client client1',
  ];

  static override flags = {
    address: Flags.string({ description: 'address or host name under which clients reach it' }),
    listen: Flags.string({
      description: "this machine's own address, where a provider translates the public one to it",
    }),
    identity: Flags.string({ description: 'what it proves to be to clients, as in tokyo.example.net' }),
    network: Flags.string({
      multiple: true,
      helpValue: 'PREFIX',
      description: 'IPv4 network that clients may reach',
    }),
    pool: Flags.string({
      helpValue: 'PREFIX',
      description: 'virtual addresses for clients; a /24 of 10.0.0.0/8 unless given',
    }),
    client: clientFlag,
    ...initFlags,
  };

  async run(): Promise<InitResult> {
    const { flags } = await this.parse(InitGateway);
    const questions = new Questions();
    const local = localAddresses();
    const [first] = local;
    const address = await askAddress(
      questions,
      flags.address,
      'Address or host name under which clients reach this gateway',
      hostPort(IKE_PORT),
    );
    const isLocal = local.some(entry => entry.address === address);
    const listen = flags.listen ?? (isLocal ? address : (first?.address ?? address));
    const identity = await questions.ask(flags.identity, {
      flag: '--identity',
      text: 'Name that it proves to be to clients',
      usual: machineName(),
      complaint: complaintOf(identitySchema),
    });
    const networks = await askNetworks(
      questions,
      flags.network,
      'IPv4 networks that clients may reach',
      listen,
      ipv4Network,
    );
    const clients = await askClients(questions, flags.client);
    questions.finish();
    const name = identity.split('.')[0] || identity;
    const pool = flags.pool ?? defaultPool(identity);
    const files = gatewayFiles({ name, address, listen, identity, pool, networks, clients });
    const next = [
      `Start it here (the networks need a route to ${pool} by way of this machine):`,
      `  vpnr check -c ${GATEWAY_FILE}`,
      `  vpnr gateway -c ${GATEWAY_FILE}`,
      ...inviting(clients, name),
    ];
    return carryOutInit(files, flags, next, line => this.log(line));
  }
}
