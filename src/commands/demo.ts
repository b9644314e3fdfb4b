import { Flags } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { describeEvent } from '../cli/render.js';
import { INTERRUPTED, untilStopped } from '../cli/until-stopped.js';
import { writePage } from '../demo/page.js';
import { type DemoResult, describeResult } from '../demo/result.js';
import { runDemo } from '../demo/run.js';
import { type DemoView, lineView, liveView } from '../demo/screen.js';
import { DEMO_FAULTS, type DemoFault, GATEWAY_KINDS, type GatewayKind } from '../demo/stage.js';
import { VpnrError } from '../errors.js';
import { labObstacle, ownProgram, strongSwanObstacle } from '../lab/index.js';
import { needsUserNamespace, runInUserNamespace, userNamespaceObstacle } from '../lab/private.js';
import { mustBeWritable } from '../report/file.js';
import { coloursAllowed } from '../report/paint.js';

export default class Demo extends VpnrCommand {
  static override summary = 'See it work: a small internet on this machine, and a gateway that fails.';

  static override description =
    'Builds client, gateways "tokyo", "yokohama" and "fukuoka" at the distances of the paper, relay and server in ' +
    'network namespaces, starts a TCP download, lets the gateway in use fail in the middle, and shows what happens. ' +
    'Takes about 15 seconds and leaves nothing behind. Needs no root where the kernel allows user namespaces. The exit ' +
    'status is 0 only if the download survived.';

  static override examples = [
    '<%= config.bin %> demo',
    '<%= config.bin %> demo --fault blackhole --report demo.html',
    '<%= config.bin %> demo --gateways strongswan --json',
  ];

  static override flags = {
    fault: Flags.option({
      options: Object.keys(DEMO_FAULTS) as DemoFault[],
      default: 'kill' as DemoFault,
      description: 'what happens to the gateway',
    })(),
    gateways: Flags.option({
      options: GATEWAY_KINDS,
      default: 'vpnr' as GatewayKind,
      description: "vpnr's own gateways, or strongSwan's charon where it is installed",
    })(),
    report: Flags.string({
      helpValue: 'FILE.html',
      description: 'write one self-contained page with the plot',
    }),
  };

  async run(): Promise<DemoResult | undefined> {
    const { flags } = await this.parse(Demo);
    if (flags.report !== undefined) await mustBeWritable(flags.report);
    if (needsUserNamespace()) {
      refuse(userNamespaceObstacle());
      process.exitCode = await runInUserNamespace([...ownProgram(), ...process.argv.slice(2)]);
      return undefined;
    }
    refuse(labObstacle() ?? (flags.gateways === 'strongswan' ? strongSwanObstacle() : undefined));
    let result: DemoResult | undefined;
    await untilStopped(async signal => {
      result = await this.#play(flags, signal).catch(error => {
        if (!signal.aborted || signal.reason instanceof Error) throw error;
        this.logToStderr('interrupted; everything is removed');
        process.exitCode = INTERRUPTED;
        return undefined;
      });
    });
    return result;
  }

  async #play(
    flags: { fault: DemoFault; gateways: GatewayKind; report?: string | undefined },
    signal: AbortSignal,
  ): Promise<DemoResult> {
    const { fault, gateways: kind, report } = flags;
    const view = this.#view(`vpnr demo: ${kind} gateways, fault ${fault}`);
    const options = { fault, kind, program: ownProgram(), describe: describeEvent, show: view.show };
    const { result, recording } = await runDemo(options, signal).finally(view.end);
    this.log(`\n${describeResult(result).join('\n')}`);
    if (report !== undefined) await this.writePage(report, writePage(result, recording));
    if (!result.survived) process.exitCode = 1;
    return result;
  }

  #view(title: string): DemoView {
    if (this.jsonEnabled()) return { show: () => {}, end: () => {} };
    return process.stdout.isTTY && process.env.TERM !== 'dumb'
      ? liveView(process.stdout, title, coloursAllowed())
      : lineView(line => this.log(line));
  }
}

function refuse(obstacle: string | undefined): void {
  if (obstacle === undefined) return;
  throw new VpnrError('LAB_FAILED', `the demonstration cannot run here: ${obstacle}`, {
    remedy:
      'run it as root (sudo), or allow user namespaces (sysctl user.max_user_namespaces, ' +
      'kernel.apparmor_restrict_unprivileged_userns=0); it needs iproute2, and strongSwan for --gateways strongswan',
  });
}
