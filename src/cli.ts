#!/usr/bin/env node
import './cli/heap.js';
import './cli/user.js';
import { fileURLToPath } from 'node:url';
import { answerDirectly } from './cli/direct.js';

if (!answerDirectly(process.argv.slice(2))) {
  const { runCommandLine } = await import('./cli/run.js');
  await runCommandLine({ root: fileURLToPath(import.meta.url) });
}
