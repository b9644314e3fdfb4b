import * as abi from './abi.js';

/**
 * Every counter of the core, name to index, in order of the indices: COUNTER_TX_PACKETS is `tx-packets`,
 * DROP_RX_REPLAY is `rx-replay`. The constants of the ABI are the only table.
 */
export const counterIndices: ReadonlyMap<string, number> = new Map(
  Object.entries(abi)
    .filter(([name]) => /^(COUNTER|DROP)_/.test(name) && name !== 'DROP_FIRST')
    .map(([name, index]): [string, number] => [textName(name), index])
    .sort(([, a], [, b]) => a - b),
);

/** Whether the counter of this index is a reason for a dropped packet. */
export function isDrop(index: number): boolean {
  return index >= abi.DROP_FIRST;
}

function textName(constant: string): string {
  return constant
    .replace(/^(COUNTER|DROP)_/, '')
    .toLowerCase()
    .replaceAll('_', '-');
}
