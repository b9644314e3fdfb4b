import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import type { Machine } from './model.js';

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    load: loadavg()[0] ?? 0,
  };
}

export function describeMachine({ cpu, cores, memoryGB, system, node, load }: Machine): string {
  const processors = cores === 1 ? '1 core' : `${cores} cores`;
  return `${cpu}, ${processors}, ${memoryGB} GB, ${system}, Node ${node}, load ${load.toFixed(1)}`;
}
