import { workerData } from 'node:worker_threads';
import { carryFrames, type LinesStart } from './loop.js';

carryFrames(workerData as LinesStart);
