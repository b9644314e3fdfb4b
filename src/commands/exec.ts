import { VpnrCommand } from '../cli/base.js';
import { nameFlag } from '../cli/flags.js';
import { onlyRunning } from '../cli/names.js';
import { runConfined } from '../client/confined.js';
import { VpnrError } from '../errors.js';

export default class Exec extends VpnrCommand {
  static override summary = 'Run one program whose only way out is the tunnel of a running connection.';

  static override description =
    'The program runs in a network namespace of its own: what it sends goes through the tunnel, whatever the routes of the ' +
    'system are, or nowhere. Under sudo it runs as the user who called. Its exit status is passed on. With --json ' +
    'before the --, an error of vpnr itself is one JSON object.';

  static override examples = [
    '<%= config.bin %> exec -- curl https://intranet.example.com',
    '<%= config.bin %> exec --name work -- ssh 10.30.0.10',
  ];

  static override usage = 'exec [--name NAME] -- COMMAND...';
  static override strict = false;

  static override flags = {
    name: nameFlag({
      description: 'name of the connection; not needed when only one is running',
    }),
  };

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Exec);
    const command = argv as string[];
    if (command.length === 0)
      throw new VpnrError('USAGE', 'no program is given', { remedy: 'vpnr exec -- COMMAND ARGUMENTS' });
    process.exitCode = await runConfined(onlyRunning(flags.name), command);
  }
}
