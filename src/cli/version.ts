/** What exactly is running: for `vpnr --version`, and for reports of problems. */
import { createHash } from 'node:crypto';
import { isSea } from 'node:sea';
import { readAsset } from '../assets.js';

/** What `scripts/compile.mjs` writes into `build.json`. */
interface Build {
  version: string;
  /** 40 hexadecimal digits; null when it was not built in a git repository. */
  commit: string | null;
  /** Whether the sources differed from the commit's. */
  modified: boolean;
}

export interface Version extends Build {
  node: string;
  /** As in linux-x64. */
  platform: string;
  /** Whether this is the single executable. */
  portable: boolean;
  core: {
    /** Of the packet core's WebAssembly. */
    sha256: string;
    /** The packet core uses relaxed SIMD, which is standard in this runtime, or needs a flag that vpnr then sets. */
    relaxedSimd: 'standard' | 'flag';
  };
}

export function ownVersion(): Version {
  const build = JSON.parse(new TextDecoder().decode(readAsset('build.json'))) as Build;
  const core = readAsset('core.wasm');
  return {
    ...build,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    portable: isSea(),
    core: {
      sha256: createHash('sha256').update(core).digest('hex'),
      relaxedSimd: WebAssembly.validate(core) ? 'standard' : 'flag',
    },
  };
}

/** As lines, the first of which is `vpnr` and the version. */
export function describeVersion({
  version,
  commit,
  modified,
  node,
  platform,
  portable,
  core,
}: Version): string {
  const state = modified ? ', modified' : '';
  const simd = core.relaxedSimd === 'standard' ? 'relaxed SIMD' : 'relaxed SIMD by a flag';
  return [
    `vpnr ${version}`,
    `commit ${commit === null ? 'unknown' : `${commit.slice(0, 12)}${state}`}`,
    `node ${node}, ${platform}${portable ? ', portable' : ''}`,
    `core ${core.sha256.slice(0, 12)}, ${simd}`,
  ].join('\n');
}

/** What is said to the command line `vpnr --version [--json]`, in any order; undefined when it is another one. */
export function answerVersion(args: readonly string[]): string | undefined {
  const [question = '', ...others] = args.filter(argument => argument !== '--json');
  if (!/^(--version|-v|version)$/.test(question) || others.length > 0) return undefined;
  return args.length === 1 ? describeVersion(ownVersion()) : JSON.stringify(ownVersion());
}
