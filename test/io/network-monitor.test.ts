import { execFileSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NetworkMonitor } from '../../src/io/network-monitor.js';
import type { NetworkEvent } from '../../src/io/rtnetlink.js';
import { inPrivateNetwork, ip } from './private-network.js';

const TESTS = 4;

/** More notifications than the socket's buffer holds. */
const FLOOD = 4000;

/** What a monitor hears, to be waited for. */
class Ear {
  readonly events: NetworkEvent[] = [];
  readonly monitor: NetworkMonitor;
  #wake: () => void = () => {};

  constructor() {
    this.monitor = new NetworkMonitor(events => {
      this.events.push(...events);
      this.#wake();
    });
  }

  /** Waits for an event like this one; all that came before it is forgotten. */
  async hears(wanted: Partial<Record<string, unknown>>): Promise<void> {
    for (;;) {
      const at = this.events.findIndex(event =>
        Object.entries(wanted).every(([key, value]) => (event as Record<string, unknown>)[key] === value),
      );
      if (at >= 0) {
        this.events.splice(0, at + 1);
        return;
      }
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }
}

if (inPrivateNetwork(TESTS)) {
  const scenario = (name: string, body: (ear: Ear) => Promise<void>) =>
    test(name, async () => {
      ip('link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far');
      const ear = new Ear();
      // Signals alone keep no process alive.
      const alive = setInterval(() => {}, 1000);
      try {
        await body(ear);
      } finally {
        ear.monitor.stop();
        clearInterval(alive);
        ip('link', 'delete', 'near');
      }
    });

  scenario('links, addresses and routes are heard of as they change', async ear => {
    ip('link', 'set', 'far', 'up');
    ip('link', 'set', 'near', 'up');
    await ear.hears({ type: 'link', name: 'near', up: true });
    ip('address', 'add', '192.0.2.1/24', 'dev', 'near');
    await ear.hears({ type: 'address', address: '192.0.2.1', present: true });
    ip('route', 'add', 'default', 'via', '192.0.2.254', 'protocol', '118');
    await ear.hears({ type: 'route', protocol: 118, present: true });
    ip('address', 'add', '2001:db8::1/64', 'dev', 'near', 'nodad');
    await ear.hears({ type: 'address', address: '2001:db8::1', present: true });
    ip('address', 'delete', '192.0.2.1/24', 'dev', 'near');
    await ear.hears({ type: 'address', address: '192.0.2.1', present: false });
    ip('link', 'set', 'far', 'down');
    await ear.hears({ type: 'link', name: 'near', up: false });
  });

  scenario('an interface that is taken away', async ear => {
    ip('link', 'add', 'other', 'type', 'veth', 'peer', 'name', 'end');
    ip('link', 'delete', 'other');
    await ear.hears({ type: 'link-gone', name: 'other' });
  });

  scenario('more than the buffer holds is told as an overrun, and what follows is heard again', async ear => {
    ip('link', 'set', 'near', 'up');
    const commands = Array.from(
      { length: FLOOD },
      (_, i) => `address add 10.${i >> 8}.${i & 255}.1/32 dev near\n`,
    );
    execFileSync('ip', ['-batch', '-'], { input: commands.join('') });
    await ear.hears({ type: 'overrun' });
    ip('address', 'add', '192.0.2.1/24', 'dev', 'near');
    await ear.hears({ type: 'address', address: '192.0.2.1', present: true });
  });

  scenario('two monitors hear the same, one that is stopped nothing', async ear => {
    const second = new Ear();
    const third = new Ear();
    third.monitor.stop();
    third.monitor.stop();
    ip('link', 'set', 'near', 'up');
    await Promise.all([ear, second].map(each => each.hears({ type: 'link', name: 'near' })));
    second.monitor.stop();
    assert.equal(third.events, []);
    const before = second.events.length;
    ip('address', 'add', '192.0.2.1/24', 'dev', 'near');
    await ear.hears({ type: 'address', address: '192.0.2.1' });
    assert.is(second.events.length, before);
  });

  test.run();
}
