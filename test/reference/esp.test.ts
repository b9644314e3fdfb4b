import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hex } from '../support/bytes.js';
import { IPV4, openEsp, sealEsp } from './esp.js';
import { RFC7634 } from './rfc7634.js';

test('the reference seals the packet of RFC 7634 Appendix A', () => {
  const { sa, content, iv, packet } = RFC7634;
  assert.is(hex(sealEsp(sa, content, { iv })), hex(packet));
});

test('the reference opens the packet of RFC 7634 Appendix A', () => {
  const opened = openEsp(RFC7634.sa, RFC7634.packet);
  assert.is(hex(opened.payload), hex(RFC7634.content.payload));
  assert.is(opened.nextHeader, IPV4);
  assert.is(opened.sequence, 5n);
});

test.run();
