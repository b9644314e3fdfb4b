#!/usr/bin/env node
import { begin } from './cli/begin.js';

await begin(async () => ({ root: import.meta.filename }));
