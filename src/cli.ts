#!/usr/bin/env node
import './cli/heap.js';
import { answerVersion } from './cli/version.js';

const version = answerVersion(process.argv.slice(2));
if (version !== undefined) console.log(version);
else {
  // Takes its time, and the version does not need it.
  const { execute } = await import('@oclif/core');
  await execute({ dir: import.meta.url });
}
