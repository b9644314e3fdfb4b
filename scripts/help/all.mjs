// All the help files that are installed beside the command.
import { bashCompletion } from './bash.mjs';
import { shownCommands } from './commands.mjs';
import { fishCompletion } from './fish.mjs';
import { manualPage } from './manual.mjs';
import { zshCompletion } from './zsh.mjs';

/** Their texts. `known`: from commandManifest; `date`: of the build. */
export function helpFiles(known, date) {
  const commands = shownCommands(known);
  return {
    manual: manualPage(known, commands, date),
    bash: bashCompletion(known, commands),
    zsh: zshCompletion(known, commands),
    fish: fishCompletion(known, commands),
  };
}
