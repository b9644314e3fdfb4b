/** Where every form of the program begins. */
import './heap.js';
import './user.js';
import type { Interfaces } from '@oclif/core';
import { confine } from './confine.js';
import { answerDirectly } from './direct.js';
import { reportLostOutput } from './output.js';
import { parseServiceLine } from './service-line.js';

/** Carries out the command line. `options`: what oclif is told of the commands; asked only where it is needed. */
export async function begin(options: () => Promise<Interfaces.Options>): Promise<void> {
  reportLostOutput();
  const args = process.argv.slice(2);
  if (await answerDirectly(args)) return;
  await confine(args);
  const service = parseServiceLine(args);
  if (service !== undefined) {
    const { serve } = await import('./serve.js');
    await serve(service);
    return;
  }
  const { runCommandLine } = await import('./run.js');
  await runCommandLine(await options());
}
