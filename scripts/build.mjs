import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { buildDist, root } from './compile.mjs';

buildDist();
chmodSync(join(root, 'dist', 'cli.js'), 0o755);
