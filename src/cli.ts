#!/usr/bin/env node
import './cli/heap.js';
import './cli/user.js';
import { fileURLToPath } from 'node:url';
import { confine } from './cli/confine.js';
import { answerDirectly } from './cli/direct.js';
import { reportLostOutput } from './cli/output.js';

reportLostOutput();
const args = process.argv.slice(2);
if (!answerDirectly(args)) {
  await confine(args);
  const { runCommandLine } = await import('./cli/run.js');
  await runCommandLine({ root: fileURLToPath(import.meta.url) });
}
