// The program's JavaScript as single files: the command, and what its threads run.
import { join } from 'node:path';
import { build } from 'esbuild';
import { filesBelow, root } from '../compile.mjs';

/** What runs in threads, as named where they are started. */
const WORKERS = ['dataplane/worker.js', 'lab/line/worker.js'];

const OPTIONS = {
  absWorkingDir: root,
  bundle: true,
  write: false,
  format: 'cjs',
  platform: 'node',
  target: 'node24',
  // The licences are beside the executable.
  legalComments: 'none',
  // oclif reads TypeScript's settings in development only.
  external: ['typescript'],
  // As the packages are named, wherever their folder is.
  preserveSymlinks: true,
  metafile: true,
  logLevel: 'warning',
  // Files are assets there: `import.meta` is used only when they are not.
  logOverride: { 'empty-import-meta': 'silent' },
  alias: { koffi: join(root, 'scripts', 'portable', 'koffi.mjs') },
};

/** The module `vpnr:commands`, for main.mjs. */
function commandsPlugin({ description, manifest }) {
  const { name, version, type, oclif } = description;
  // Nothing is there to be discovered.
  const pjson = { name, version, type, oclif: { ...oclif, commands: undefined } };
  const loaders = filesBelow(join('src', 'commands'), '.ts').map(file => {
    const id = file.slice('src/commands/'.length, -'.ts'.length).replaceAll('/', ':');
    return `${JSON.stringify(id)}: () => import('./${file}')`;
  });
  const contents = `
    export const description = ${JSON.stringify(pjson)};
    export const manifest = ${JSON.stringify(manifest)};
    export const commands = { ${loaders.join(', ')} };`;
  return {
    name: 'vpnr-commands',
    setup(builder) {
      builder.onResolve({ filter: /^vpnr:commands$/ }, ({ path }) => ({ path, namespace: 'vpnr' }));
      builder.onLoad({ filter: /.*/, namespace: 'vpnr' }, () => ({ contents, resolveDir: root }));
    },
  };
}

/** Bundles `entry`; also returns the input files, relative to the project. */
async function bundle(entry, options = {}) {
  const { outputFiles, metafile } = await build({ ...OPTIONS, entryPoints: [entry], ...options });
  return { code: Buffer.from(outputFiles[0].contents), inputs: Object.keys(metafile.inputs) };
}

/** `main`: the command's code; `workers`: that of the threads by name; `inputs`: all that went into them. */
export async function bundleProgram(known) {
  const main = await bundle('scripts/portable/main.mjs', { plugins: [commandsPlugin(known)] });
  const inputs = new Set(main.inputs);
  const workers = {};
  for (const name of WORKERS) {
    const worker = await bundle(`src/${name.replace(/\.js$/, '.ts')}`);
    workers[name] = worker.code;
    for (const input of worker.inputs) inputs.add(input);
  }
  return { main: main.code, workers, inputs: [...inputs].sort() };
}
