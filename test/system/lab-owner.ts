/** Owns a laboratory and ends in the way that standard input says, or by a signal. */
import { Lab } from '../../src/lab/index.js';

const lab = await Lab.create({
  networks: ['wire'],
  hosts: { left: { links: { wire: {} } }, right: { links: { wire: {} } } },
});
const sleeper = lab.host('left').spawn(['sleep', '1000']);
console.log(JSON.stringify({ prefix: lab.prefix, folder: lab.folder, pid: sleeper.pid }));
process.stdin.on('data', way => {
  if (String(way) === 'exit\n') process.exit(3);
  throw new Error('as asked');
});
