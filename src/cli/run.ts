/** From the arguments to a command, with this program's own words where there is none. */
import { Errors, flush, handle, type Interfaces, run } from '@oclif/core';
import { VpnrError } from '../errors.js';
import { reportLostOutput } from './output.js';
import { describeError } from './text.js';

const UNKNOWN = /^command (\S+) not found$/;

/** Runs the command line to its end. Plug-ins, which nothing here has, are not looked for in the user's folders. */
export async function runCommandLine(loadOptions: Interfaces.Options): Promise<void> {
  // oclif, which has been loaded with this, has a listener of its own, which throws.
  reportLostOutput();
  try {
    await run(process.argv.slice(2), { userPlugins: false, devPlugins: false, ...loadOptions });
    flush();
  } catch (error) {
    const [, id] = (error instanceof Errors.CLIError && UNKNOWN.exec(error.message)) || [];
    if (id === undefined) return handle(error as Error);
    const unknown = new VpnrError('USAGE', `there is no command "${id.replaceAll(':', ' ')}"`, {
      remedy: '`vpnr --help` lists the commands',
    });
    process.stderr.write(`${describeError(unknown)}\n`);
    process.exitCode = unknown.exitStatus;
  }
}
