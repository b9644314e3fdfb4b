import { buildDist } from './compile.mjs';

buildDist();
