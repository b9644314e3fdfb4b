// RFC 8439: the vectors of sections 2.3.2 to 2.8.2 and of appendix A.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CoreAead, SUITES, type Suite } from '../support/aead.js';
import { concat, hex, unhex } from '../support/bytes.js';
import { compilePrimitives } from '../support/primitives.js';

interface Primitives {
  memory: WebAssembly.Memory;
  chacha20Start(key: number, iv: number): void;
  chacha20End(): void;
  chacha20Group(
    key: number,
    iv: number,
    counter: number,
    data: number,
    mac: number,
    source: number,
    blocks: number,
  ): void;
  poly1305(key: number, data: number, length: number, tag: number): void;
}

const primitives = compilePrimitives<Primitives>('rfc8439');
const memory = new Uint8Array(primitives.memory.buffer);
const KEY = 0x100000;
const IV = KEY + 64;
const MAC = KEY + 128;
const DATA = KEY + 4096;
const GROUP = 256;

function chacha20(key: string, nonce: string, counter: number, data: Uint8Array): Uint8Array {
  memory.set(unhex(key + nonce), KEY);
  memory.set(unhex(nonce).subarray(4), IV);
  memory.fill(0, DATA, DATA + data.length + GROUP);
  memory.set(data, DATA);
  primitives.chacha20Start(KEY, IV);
  for (let at = 0; at < data.length; at += GROUP) {
    primitives.chacha20Group(KEY, IV, counter + at / 64, DATA + at, MAC, DATA, 0);
  }
  primitives.chacha20End();
  return memory.slice(DATA, DATA + data.length);
}

function poly1305(key: string, message: Uint8Array): string {
  memory.set(unhex(key), KEY);
  memory.set(message, DATA);
  primitives.poly1305(KEY, DATA, message.length, MAC);
  return hex(memory.subarray(MAC, MAC + 16));
}

const text = (string: string): Uint8Array => new TextEncoder().encode(string);
const compact = (string: string): string => string.replaceAll(/\s/g, '').toLowerCase();
const zeros = (length: number): string => '00'.repeat(length);

const COUNTING = hex(Uint8Array.from({ length: 32 }, (_, i) => i));
const SUNSCREEN = text(
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
);
const IETF = text(
  'Any submission to the IETF intended by the Contributor for publication as all or part of an IETF Internet-Draft or ' +
    'RFC and any statement made within the context of an IETF activity is considered an "IETF Contribution". Such ' +
    'statements include oral statements in IETF sessions, as well as written and electronic communications made at any ' +
    'time or place, which are addressed to',
);
const JABBERWOCKY = text(
  "'Twas brillig, and the slithy toves\nDid gyre and gimble in the wabe:\nAll mimsy were the borogoves,\n" +
    'And the mome raths outgrabe.',
);
const ONE_LAST = `${zeros(31)}01`;
const NONCE_2 = `${zeros(11)}02`;
const JABBERWOCKY_KEY = '1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0';

test('2.3.2 and A.1: the block function', () => {
  const blocks: [key: string, nonce: string, counter: number, keystream: string][] = [
    [
      COUNTING,
      '000000090000004a00000000',
      1,
      `10f1e7e4d13b5915500fdd1fa32071c4 c7d1f4c733c068030422aa9ac3d46c4e
       d2826446079faa0914c2d705d98b02a2 b5129cd1de164eb9cbd083e8a2503c4e`,
    ],
    [
      zeros(32),
      zeros(12),
      0,
      `76b8e0ada0f13d90405d6ae55386bd28 bdd219b8a08ded1aa836efcc8b770dc7
       da41597c5157488d7724e03fb8d84a37 6a43b8f41518a11cc387b669b2ee6586`,
    ],
    [
      zeros(32),
      zeros(12),
      1,
      `9f07e7be5551387a98ba977c732d080d cb0f29a048e3656912c6533e32ee7aed
       29b721769ce64e43d57133b074d839d5 31ed1f28510afb45ace10a1f4b794d6f`,
    ],
    [
      ONE_LAST,
      zeros(12),
      1,
      `3aeb5224ecf849929b9d828db1ced4dd 832025e8018b8160b82284f3c949aa5a
       8eca00bbb4a73bdad192b5c42f73f2fd 4e273644c8b36125a64addeb006c13a0`,
    ],
    [
      `00ff${zeros(30)}`,
      zeros(12),
      2,
      `72d54dfbf12ec44b362692df94137f32 8fea8da73990265ec1bbbea1ae9af0ca
       13b25aa26cb4a648cb9b9d1be65b2c09 24a66c54d545ec1b7374f4872e99f096`,
    ],
    [
      zeros(32),
      NONCE_2,
      0,
      `c2c64d378cd536374ae204b9ef933fcd 1a8b2288b3dfa49672ab765b54ee27c7
       8a970e0e955c14f3a88e741b97c286f7 5f8fc299e8148362fa198a39531bed6d`,
    ],
  ];
  for (const [key, nonce, counter, keystream] of blocks) {
    assert.is(hex(chacha20(key, nonce, counter, new Uint8Array(64))), compact(keystream));
  }
});

test('2.4.2 and A.2: encryption', () => {
  assert.is(
    hex(chacha20(COUNTING, '000000000000004a00000000', 1, SUNSCREEN)),
    compact(`6e2e359a2568f98041ba0728dd0d6981 e97e7aec1d4360c20a27afccfd9fae0b
             f91b65c5524733ab8f593dabcd62b357 1639d624e65152ab8f530c359f0861d8
             07ca0dbf500d6a6156a38e088a22b65e 52bc514d16ccf806818ce91ab7793736
             5af90bbf74a35be6b40b8eedf2785e42 874d`),
  );
  assert.is(
    hex(chacha20(ONE_LAST, NONCE_2, 1, IETF)),
    compact(`a3fbf07df3fa2fde4f376ca23e827370 41605d9f4f4f57bd8cff2c1d4b7955ec
             2a97948bd3722915c8f3d337f7d37005 0e9e96d647b7c39f56e031ca5eb6250d
             4042e02785ececfa4b4bb5e8ead0440e 20b6e8db09d881a7c6132f420e527950
             42bdfa7773d8a9051447b3291ce1411c 680465552aa6c405b7764d5e87bea85a
             d00f8449ed8f72d0d662ab052691ca66 424bc86d2df80ea41f43abf937d3259d
             c4b2d0dfb48a6c9139ddd7f76966e928 e635553ba76c5c879d7b35d49eb2e62b
             0871cdac638939e25e8a1e0ef9d5280f a8ca328b351c3c765989cbcf3daa8b6c
             cc3aaf9f3979c92b3720fc88dc95ed84 a1be059c6499b9fda236e7e818b04b0b
             c39c1e876b193bfe5569753f88128cc0 8aaa9b63d1a16f80ef2554d7189c411f
             5869ca52c5b83fa36ff216b9c1d30062 bebcfd2dc5bce0911934fda79a86f6e6
             98ced759c3ff9b6477338f3da4f9cd85 14ea9982ccafb341b2384dd902f3d1ab
             7ac61dd29c6f21ba5b862f3730e37cfd c4fd806c22f221`),
  );
  assert.is(
    hex(chacha20(JABBERWOCKY_KEY, NONCE_2, 42, JABBERWOCKY)),
    compact(`62e6347f95ed87a45ffae7426f27a1df 5fb69110044c0d73118effa95b01e5cf
             166d3df2d721caf9b21e5fb14c616871 fd84c54f9d65b283196c7fe4f60553eb
             f39c6402c42234e32a356b3e764312a6 1a5532055716ead6962568f87d3f3f77
             04c6a8d1bcd1bf4d50d6154b6da731b1 87b58dfd728afa36757a797ac188d1`),
  );
});

test('2.5.2 and A.3: Poly1305', () => {
  const same = '36e5f6b5c5e06070f0efca96227a863e';
  assert.is(poly1305(zeros(32), new Uint8Array(64)), zeros(16), 'vector 1');
  assert.is(poly1305(zeros(16) + same, IETF), same, 'vector 2');
  assert.is(poly1305(same + zeros(16), IETF), 'f3477e7cd95417af89a6b8794c310cf0', 'vector 3');
  assert.is(poly1305(JABBERWOCKY_KEY, JABBERWOCKY), '4541669a7eaaee61e708dc7cbcc5eb62', 'vector 4');
  assert.is(
    poly1305(
      '85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b',
      text('Cryptographic Forum Research Group'),
    ),
    'a8061dc1305136c6c22b8baf0c0127a9',
    '2.5.2',
  );
});

test('A.3: the edges of Poly1305’s arithmetic', () => {
  const word = (low: string): string => low.padEnd(32, '0');
  const ones = 'ff'.repeat(16);
  const edges: [vector: number, r: string, s: string, data: string, tag: string][] = [
    [5, word('02'), word(''), ones, word('03')],
    [6, word('02'), ones, word('02'), word('03')],
    [7, word('01'), word(''), `${ones}f0${'ff'.repeat(15)}${word('11')}`, word('05')],
    [8, word('01'), word(''), `${ones}fb${'fe'.repeat(15)}${'01'.repeat(16)}`, word('')],
    [9, word('02'), word(''), `fd${'ff'.repeat(15)}`, `fa${'ff'.repeat(15)}`],
    [
      10,
      word('010000000000000004'),
      word(''),
      `${word('e33594d7505e43b9')}${word('3394d7505e4379cd01')}${word('')}${word('01')}`,
      word('140000000000000055'),
    ],
    [
      11,
      word('010000000000000004'),
      word(''),
      `${word('e33594d7505e43b9')}${word('3394d7505e4379cd01')}${word('')}`,
      word('13'),
    ],
  ];
  for (const [vector, r, s, data, tag] of edges)
    assert.is(poly1305(r + s, unhex(data)), tag, `vector ${vector}`);
});

test('2.6.2 and A.4: the one-time key', () => {
  const keys: [key: string, nonce: string, oneTimeKey: string][] = [
    [
      hex(Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i)),
      '000000000001020304050607',
      '8ad5a08b905f81cc815040274ab29471a833b637e3fd0da508dbb8e2fdd1a646',
    ],
    [zeros(32), zeros(12), '76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7'],
    [ONE_LAST, NONCE_2, 'ecfa254f845f647473d3cb140da9e87606cb33066c447b87bc2666dde3fbb739'],
    [JABBERWOCKY_KEY, NONCE_2, '965e3bc6f9ec7ed9560808f4d229f94b137ff275ca9b3fcbdd59deaad23310ae'],
  ];
  for (const [key, nonce, oneTimeKey] of keys) {
    assert.is(hex(chacha20(key, nonce, 0, new Uint8Array(32))), oneTimeKey);
  }
});

test('2.8.2: AEAD encryption', () => {
  const aead = new CoreAead(SUITES[0] as Suite);
  const nonce = unhex('070000004041424344454647');
  const aad = unhex('50515253c0c1c2c3c4c5c6c7');
  aead.install(
    Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i),
    nonce,
  );
  const sealed = aead.seal(nonce, aad, SUNSCREEN);
  assert.is(
    hex(sealed),
    compact(`d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6
             3dbea45e8ca9671282fafb69da92728b 1a71de0a9e060b2905d6a5b67ecd3b36
             92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc
             3ff4def08e4b7a9de576d26586cec64b 6116
             1ae10b594f09e26a7e902ecbd0600691`),
  );
  assert.equal(aead.open(nonce, aad, sealed), SUNSCREEN);
});

test('A.5: AEAD decryption', () => {
  const aead = new CoreAead(SUITES[0] as Suite);
  const nonce = unhex('000000000102030405060708');
  aead.install(unhex(JABBERWOCKY_KEY), nonce);
  const ciphertext = unhex(
    `64a0861575861af460f062c79be643bd 5e805cfd345cf389f108670ac76c8cb2
     4c6cfc18755d43eea09ee94e382d26b0 bdb7b73c321b0100d4f03b7f355894cf
     332f830e710b97ce98c8a84abd0b9481 14ad176e008d33bd60f982b1ff37c855
     9797a06ef4f0ef61c186324e2b350638 3606907b6a7c02b0f9f6157b53c867e4
     b9166c767b804d46a59b5216cde7a4e9 9040c5a40433225ee282a1b0a06c523e
     af4534d7f83fa1155b0047718cbc546a 0d072b04b3564eea1b422273f548271a
     0bb2316053fa76991955ebd63159434e cebb4e466dae5a1073a6727627097a10
     49e617d91d361094fa68f0ff77987130 305beaba2eda04df997b714d6c6f2c29
     a6ad5cb4022b02709b`,
  );
  const opened = aead.open(
    nonce,
    unhex('f33388860000000000004e91'),
    concat(ciphertext, unhex('eead9d67890cbb22392336fea1851f38')),
  );
  assert.equal(
    opened,
    text(
      'Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, or obsoleted by ' +
        'other documents at any time. It is inappropriate to use Internet-Drafts as reference material or to cite them other ' +
        'than as /“work in progress./”',
    ),
  );
});

test.run();
