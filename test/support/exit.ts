/** A program that ends without stopping its data plane. */
import { createClientDataPlane } from '../../src/dataplane/client.js';
import { openTun } from '../../src/io/tun.js';
import { Namespace } from './namespace.js';

const space = new Namespace('vpnr-dp');
const device = await space.inside(() => openTun());
await createClientDataPlane().start(device, {
  ike() {},
  probeReply() {},
  suspected() {},
  switched() {},
  drain() {},
  traffic() {},
  pathError() {},
  failed() {},
});
process.exit(7);
