import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { namespacesPossible } from '../support/namespace.js';
import { installChildren, SUITES, startPair } from '../support/planes.js';

if (namespacesPossible()) {
  test('packets pass between two devices, under every suite', async () => {
    const pair = await startPair();
    for (const suite of SUITES) {
      const [leftSpi, rightSpi] = installChildren(pair, suite);
      const printed = pair.left.space.run(
        'ping',
        '-n',
        '-c',
        '5',
        '-i',
        '0.01',
        '-s',
        '1300',
        pair.right.inner,
      );
      assert.match(printed, '5 received', suite);
      pair.left.plane.removeChild(leftSpi);
      pair.right.plane.removeChild(rightSpi);
    }
    await pair.stop();
  });
}
test.run();
