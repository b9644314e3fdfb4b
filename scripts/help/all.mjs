// All the help files that are installed beside the command.
import { bashCompletion } from './bash.mjs';
import { shownCommands, withOpposites } from './commands.mjs';
import { fishCompletion } from './fish.mjs';
import { manualPage } from './manual.mjs';
import { zshCompletion } from './zsh.mjs';

/** Their texts. `known`: from commandManifest; `date`: of the build. */
export function helpFiles(known, date) {
  const commands = shownCommands(known);
  const completed = commands.map(command => ({ ...command, flags: withOpposites(command.flags) }));
  return {
    manual: manualPage(known, commands, date),
    bash: bashCompletion(known, completed),
    zsh: zshCompletion(known, completed),
    fish: fishCompletion(known, completed),
  };
}
