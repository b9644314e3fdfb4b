/** What a worker does with security associations, whatever its role. */
import { SA_INDEX_MASK } from '../packet/abi.js';
import type { PacketCore } from '../packet/core.js';
import type { ChildCommand } from './messages.js';

/**
 * Carries out what is said of a child. `sendOn` makes an outbound association the one that a client's path or a
 * gateway's peer is sent to on.
 */
export function carryOutForChild(
  core: PacketCore,
  command: ChildCommand,
  sendOn: (path: number, outbound: number) => void,
): void {
  switch (command.type) {
    case 'install-child':
      installChild(core, command);
      if (command.send) sendOn(command.path, command.outbound);
      return;
    case 'send-on':
      sendOn(command.path, command.outbound);
      return;
    case 'remove-child':
      core.removeSa('in', command.inboundSpi & SA_INDEX_MASK);
      core.removeSa('out', command.outbound);
      return;
  }
}

function installChild(
  core: PacketCore,
  { path, child, outbound }: Extract<ChildCommand, { type: 'install-child' }>,
): void {
  const common = { suite: child.suite, path, local: child.localSelectors, remote: child.remoteSelectors };
  const { inboundSpi, inboundKey, outboundSpi, outboundKey } = child;
  const inbound = inboundSpi & SA_INDEX_MASK;
  core.installSa({ ...common, direction: 'in', index: inbound, spi: inboundSpi, key: inboundKey });
  core.installSa({ ...common, direction: 'out', index: outbound, spi: outboundSpi, key: outboundKey });
  inboundKey.fill(0);
  outboundKey.fill(0);
}
