// The single executable begins here. As src/cli.ts, but nothing is looked for on disk: the commands and what oclif wants to
// know of them were collected when it was built.
import { commands, description, manifest } from 'vpnr:commands';
import { begin } from '../../src/cli/begin.ts';

async function options() {
  const { Plugin } = await import('@oclif/core');
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
  return { root, pjson: description, plugins };
}

begin(options);
