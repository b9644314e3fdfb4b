/** From the arguments to a command, with this program's own words where there is none. */
import { Config, Errors, flush, handle, type Interfaces, run } from '@oclif/core';
import { VpnrError } from '../errors.js';
import { reportLostOutput } from './output.js';
import { tellFailure } from './tell.js';

const UNKNOWN = /^command (\S+) not found$/;

/** Runs the command line to its end. Plug-ins, which nothing here has, are not looked for in the user's folders. */
export async function runCommandLine(loadOptions: Interfaces.Options): Promise<void> {
  // oclif, which has been loaded with this, has a listener of its own, which throws.
  reportLostOutput();
  const args = inOwnWords(process.argv.slice(2));
  const json = args.includes('--json');
  try {
    const config = await Config.load({ userPlugins: false, devPlugins: false, ...loadOptions });
    refuseFlagsOfTopic(args, config);
    await run(args, config);
    flush();
  } catch (error) {
    const [, id] = (error instanceof Errors.CLIError && UNKNOWN.exec(error.message)) || [];
    if (id !== undefined) return tellFailure(unknownCommand(id), error, json);
    if (error instanceof VpnrError) return tellFailure(error, error, json);
    return handle(error as Error);
  }
}

/** `-h`, and `help` in front of a command, are other words for --help. What follows `--` is a program's own. */
export function inOwnWords(args: readonly string[]): string[] {
  const [first, ...others] = args;
  if (first === 'help') return [...others, '--help'];
  const end = args.indexOf('--');
  return args.map((argument, index) => (argument === '-h' && (end < 0 || index < end) ? '--help' : argument));
}

/** Throws USAGE for `vpnr bench --quick` and the like, where oclif would show help as though that had been asked for. */
function refuseFlagsOfTopic(args: readonly string[], config: Config): void {
  const flag = args.findIndex(argument => argument.startsWith('-'));
  if (flag < 1 || args.includes('--help')) return;
  const words = args.slice(0, flag);
  const isCommand = words.some((_, index) => config.findCommand(words.slice(0, index + 1).join(':')));
  if (isCommand || config.findTopic(words.join(':')) === undefined) return;
  const topic = words.join(' ');
  throw new VpnrError(
    'USAGE',
    `${args[flag]} does not belong to "${topic}", which is followed by a command`,
    {
      remedy: `see vpnr ${topic} --help`,
    },
  );
}

function unknownCommand(id: string): VpnrError {
  return new VpnrError('USAGE', `there is no command "${id.replaceAll(':', ' ')}"`, {
    remedy: '`vpnr --help` lists the commands',
  });
}
