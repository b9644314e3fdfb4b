// The single executable begins here. As src/cli.ts, but nothing is looked for on disk: the commands and what oclif wants to
// know of them were collected when it was built.
import '../../dist/cli/heap.js';
import '../../dist/cli/user.js';
import { commands, description, manifest } from 'vpnr:commands';
import { confine } from '../../dist/cli/confine.js';
import { answerDirectly } from '../../dist/cli/direct.js';

const args = process.argv.slice(2);

async function run() {
  await confine(args);
  const { Plugin } = await import('@oclif/core');
  const { runCommandLine } = await import('../../dist/cli/run.js');
  const root = '/';
  const plugin = new Plugin({ isRoot: true, root, pjson: description, ignoreManifest: true });
  await plugin.load();
  plugin.manifest = manifest;
  plugin.commandIDs = Object.keys(manifest.commands);
  plugin.commands = Object.values(manifest.commands).map(command => ({
    ...command,
    pluginAlias: plugin.alias,
    pluginType: plugin.type,
    async load() {
      const { default: Class } = await commands[command.id]();
      return Object.assign(Class, { id: command.id, plugin });
    },
  }));
  const plugins = new Map([[plugin.name, plugin]]);
  await runCommandLine({ root, pjson: description, plugins });
}

if (!answerDirectly(args)) run();
