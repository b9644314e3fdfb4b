// One thing goes wrong after the other, and on top of another: the connection stays, and goes on once there is a way.
// More of it: WEATHER="seed=7 seconds=300 gateways=strongswan failover=cold relay=sealed"; each of them may be left out. What happens is
// printed then, too: node .build/test/system/weather.test.js shows it.
import { figures, systemTests } from './support.js';
import { endure, type Weather } from './weather.js';

const test = systemTests();
const USUAL: Weather = { seed: 10, seconds: 20, gateways: 'own', failover: 'replay', relay: 'clear' };

/** What the environment asks for, or else some of each kind of gateway. */
function weathers(): Weather[] {
  const { WEATHER } = process.env;
  if (WEATHER === undefined) return [USUAL, { ...USUAL, seed: 31, gateways: 'strongswan' }];
  const asked = Object.fromEntries(WEATHER.split(' ').map(word => word.split('=')));
  const [seed, seconds] = [Number(asked.seed ?? USUAL.seed), Number(asked.seconds ?? USUAL.seconds)];
  return [{ ...USUAL, ...asked, seed, seconds }];
}

for (const weather of weathers()) {
  const { seed, gateways, failover, relay } = weather;
  test(`a TCP connection outlives what seed ${seed} brings: ${gateways}, ${failover}, ${relay}`, async () => {
    const { stallMs, happenings } = await endure(weather);
    const [up, down] = [stallMs.up, stallMs.down].map(ms => (ms / 1000).toFixed(1));
    figures(
      `${gateways}, seed ${seed}, ${happenings} things went wrong: with a way open nothing arrived for at most ${up} s up, ${down} s down`,
    );
  });
}

test.run();
