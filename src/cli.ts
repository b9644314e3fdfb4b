#!/usr/bin/env node
import './cli/heap.js';
import './cli/user.js';
import { fileURLToPath } from 'node:url';
import { answerVersion } from './cli/version.js';

const version = answerVersion(process.argv.slice(2));
if (version !== undefined) console.log(version);
else {
  // Takes its time, and the version does not need it.
  const { runCommandLine } = await import('./cli/run.js');
  await runCommandLine({ root: fileURLToPath(import.meta.url) });
}
