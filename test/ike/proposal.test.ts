import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_IKE_PROPOSALS } from '../../src/config/values.js';
import type { IkeProposal } from '../../src/ike/api.js';
import type { Proposal, SaPayload, Transform } from '../../src/ike/payloads/sa.js';
import {
  checkEspAnswer,
  checkIkeAnswer,
  chooseEsp,
  chooseIke,
  type EspProposal,
  groupId,
  groupOf,
  offerEsp,
  offerIke,
} from '../../src/ike/proposal.js';
import { hex } from './support.js';

const CHACHA: IkeProposal = { encryption: 'chacha20poly1305', prf: 'prfsha256', group: 'x25519' };
const AES: IkeProposal = { encryption: 'aes256gcm16', prf: 'prfsha384', group: 'ecp256' };
const OLD: IkeProposal = { encryption: 'aes128gcm16', prf: 'prfsha512', group: 'modp2048' };
const ENCR_CHACHA: Transform = { type: 1, id: 28 };
const ENCR_AES256: Transform = { type: 1, id: 20, keyLength: 256 };
const ENCR_AES128: Transform = { type: 1, id: 20, keyLength: 128 };
const NO_ESN: Transform = { type: 5, id: 0 };
const ESN: Transform = { type: 5, id: 1 };
const X25519: Transform = { type: 4, id: 31 };
const NO_DH: Transform = { type: 4, id: 0 };

function esp(transforms: Transform[], fields: Partial<Proposal> = {}): SaPayload {
  return { type: 'SA', proposals: [{ number: 1, protocol: 3, spi: hex('c0ffee01'), transforms, ...fields }] };
}

function ike(transforms: Transform[], fields: Partial<Proposal> = {}): SaPayload {
  return esp(transforms, { protocol: 1, spi: hex(''), ...fields });
}

const notOffered = (check: () => unknown) =>
  assert.throws(check, (error: { code: string }) => error.code === 'NO_PROPOSAL_CHOSEN');

test('an IKE offer has the numbers of the registry', () => {
  assert.equal(offerIke([CHACHA, AES, OLD]).proposals, [
    { number: 1, protocol: 1, spi: hex(''), transforms: [ENCR_CHACHA, { type: 2, id: 5 }, X25519] },
    {
      number: 2,
      protocol: 1,
      spi: hex(''),
      transforms: [ENCR_AES256, { type: 2, id: 6 }, { type: 4, id: 19 }],
    },
    {
      number: 3,
      protocol: 1,
      spi: hex(''),
      transforms: [ENCR_AES128, { type: 2, id: 7 }, { type: 4, id: 14 }],
    },
  ]);
  assert.equal(offerIke([CHACHA], 0x0102030405060708n).proposals[0]?.spi, hex('0102030405060708'));
});

test('all combinations of algorithms are one proposal, those of AEADs and of others apart', () => {
  const { proposals } = offerIke(DEFAULT_IKE_PROPOSALS);
  const groups: Transform[] = [31, 19, 14].map(id => ({ type: 4, id }));
  assert.equal(proposals, [
    {
      number: 1,
      protocol: 1,
      spi: hex(''),
      transforms: [
        ENCR_CHACHA,
        ENCR_AES256,
        ENCR_AES128,
        ...[5, 6, 7].map(id => ({ type: 2, id })),
        ...groups,
      ],
    },
    {
      number: 2,
      protocol: 1,
      spi: hex(''),
      transforms: [
        { type: 1, id: 12, keyLength: 256 },
        { type: 1, id: 12, keyLength: 128 },
        { type: 2, id: 5 },
        { type: 3, id: 12 },
        ...groups,
      ],
    },
  ]);
  for (const wanted of DEFAULT_IKE_PROPOSALS) {
    const choice = chooseIke(offerIke(DEFAULT_IKE_PROPOSALS), [wanted], false);
    const { proposal } = checkIkeAnswer(choice?.answer() as SaPayload, DEFAULT_IKE_PROPOSALS, false);
    assert.equal(proposal, wanted);
  }
});

test('of combinations an answer takes one, and nothing that was not among them', () => {
  const cbc: Transform = { type: 1, id: 12, keyLength: 256 };
  const [prf, sha256] = [
    { type: 2, id: 5 },
    { type: 3, id: 12 },
  ];
  const check = (number: number, ...transforms: Transform[]) =>
    checkIkeAnswer(ike(transforms, { number }), DEFAULT_IKE_PROPOSALS, false);
  assert.is(check(2, cbc, prf, sha256, X25519).proposal.encryption, 'aes256-sha256');
  notOffered(() => check(1, cbc, prf, sha256, X25519));
  notOffered(() => check(2, cbc, prf, X25519));
  notOffered(() => check(2, cbc, { type: 2, id: 7 }, sha256, X25519));
  notOffered(() => check(1, ENCR_AES128, ENCR_CHACHA, prf, X25519));
  notOffered(() => check(1, ENCR_AES128, prf, { type: 2, id: 7 }, X25519));
  notOffered(() => check(3, ENCR_AES128, prf, X25519));
  // Not all combinations of what occurs in it: each alone, in its order.
  const some = [CHACHA, AES, { ...CHACHA, prf: 'prfsha384' as const }];
  assert.is(offerIke(some).proposals.length, 3);
  assert.is(offerIke([...some, { ...CHACHA, encryption: 'aes128-sha256' }]).proposals.length, 4);
  assert.is(
    offerIke([{ ...CHACHA, encryption: 'aes128-sha256' }, CHACHA]).proposals[0]?.transforms[0]?.id,
    12,
  );
});

test('an ESP offer is for 32-bit sequence numbers on the wire, with and without a group', () => {
  assert.equal(
    offerEsp([{ suite: 'chacha20poly1305' }, { suite: 'aes256gcm16', group: 'x25519' }], 0xc0ffee01)
      .proposals,
    [
      { number: 1, protocol: 3, spi: hex('c0ffee01'), transforms: [ENCR_CHACHA, NO_ESN] },
      { number: 2, protocol: 3, spi: hex('c0ffee01'), transforms: [ENCR_AES256, X25519, NO_ESN] },
    ],
  );
});

test('groups by name and number', () => {
  for (const group of ['x25519', 'ecp256', 'modp2048'] as const) assert.is(groupOf(groupId(group)), group);
  assert.is(groupOf(2), undefined);
  assert.is(groupOf(0), undefined);
});

test('IKE: offer, choice and check agree', () => {
  for (const wanted of [CHACHA, AES, OLD]) {
    const choice = chooseIke(offerIke([CHACHA, AES, OLD]), [wanted], false);
    assert.equal(choice?.proposal, wanted);
    const answer = choice?.answer() as SaPayload;
    assert.equal(checkIkeAnswer(answer, [CHACHA, AES, OLD], false), { proposal: wanted, peerSpi: undefined });
  }
});

test('IKE rekeying: SPIs of both sides', () => {
  const choice = chooseIke(offerIke([CHACHA], 7n), [CHACHA], true);
  assert.is(choice?.peerSpi, 7n);
  const answer = choice?.answer(9n) as SaPayload;
  assert.equal(checkIkeAnswer(answer, [CHACHA], true), { proposal: CHACHA, peerSpi: 9n });
  notOffered(() => checkIkeAnswer(answer, [CHACHA], false));
  notOffered(() => checkIkeAnswer(choice?.answer() as SaPayload, [CHACHA], true));
  notOffered(() => checkIkeAnswer(choice?.answer(0n) as SaPayload, [CHACHA], true));
});

test('IKE: SPIs of the wrong size, or zero, are not chosen', () => {
  assert.is(chooseIke(offerIke([CHACHA], 7n), [CHACHA], false), undefined);
  assert.is(chooseIke(offerIke([CHACHA]), [CHACHA], true), undefined);
  assert.is(chooseIke(offerIke([CHACHA], 0n), [CHACHA], true), undefined);
});

test('the order of the responder decides', () => {
  assert.equal(chooseIke(offerIke([CHACHA, AES]), [AES, CHACHA], false)?.proposal, AES);
});

test('several transforms of a type in one proposal, as other implementations offer them', () => {
  const everything = ike(
    [ENCR_AES128, ENCR_AES256, ENCR_CHACHA, { type: 2, id: 2 }, { type: 2, id: 5 }, X25519],
    {
      number: 4,
    },
  );
  const choice = chooseIke(everything, [CHACHA], false);
  assert.equal(choice?.answer().proposals, [
    { number: 4, protocol: 1, spi: hex(''), transforms: [ENCR_CHACHA, { type: 2, id: 5 }, X25519] },
  ]);
});

test('a proposal is chosen whole: no transform is missing, none is left over', () => {
  const prf = { type: 2, id: 5 };
  assert.is(chooseIke(ike([ENCR_CHACHA, prf]), [CHACHA], false), undefined);
  assert.is(chooseIke(ike([ENCR_CHACHA, prf, X25519, { type: 3, id: 12 }]), [CHACHA], false), undefined);
  assert.is(chooseIke(ike([ENCR_CHACHA, prf, X25519, { type: 99, id: 0 }]), [CHACHA], false), undefined);
  // AEADs may be offered with integrity NONE (RFC 5282 section 8).
  assert.ok(chooseIke(ike([ENCR_CHACHA, prf, X25519, { type: 3, id: 0 }]), [CHACHA], false));
});

test('key lengths must be the same, and unknown attributes rule a transform out', () => {
  const suites: EspProposal[] = [{ suite: 'aes256gcm16' }];
  assert.ok(chooseEsp(esp([ENCR_AES256, NO_ESN]), suites));
  assert.is(chooseEsp(esp([ENCR_AES128, NO_ESN]), suites), undefined);
  assert.is(chooseEsp(esp([{ type: 1, id: 20 }, NO_ESN]), suites), undefined);
  const odd = { ...ENCR_AES256, unknownAttributes: [{ type: 99, value: 1 }] };
  assert.is(chooseEsp(esp([odd, NO_ESN]), suites), undefined);
  assert.is(
    chooseEsp(esp([{ ...ENCR_CHACHA, keyLength: 256 }, NO_ESN]), [{ suite: 'chacha20poly1305' }]),
    undefined,
  );
});

test('AES-CBC comes with its integrity algorithm, and is not chosen without', () => {
  const suites: EspProposal[] = [{ suite: 'aes256-sha256' }, { suite: 'aes128-sha256' }];
  const cbc = (keyLength: number): Transform => ({ type: 1, id: 12, keyLength });
  const sha256: Transform = { type: 3, id: 12 };
  assert.equal(offerEsp(suites, 0xc0ffee01).proposals, [
    { number: 1, protocol: 3, spi: hex('c0ffee01'), transforms: [cbc(256), sha256, NO_ESN] },
    { number: 2, protocol: 3, spi: hex('c0ffee01'), transforms: [cbc(128), sha256, NO_ESN] },
  ]);
  assert.is(
    chooseEsp(esp([cbc(128), { type: 3, id: 2 }, sha256, NO_ESN]), suites)?.proposal.suite,
    'aes128-sha256',
  );
  for (const integrity of [[], [{ type: 3, id: 0 }], [{ type: 3, id: 2 }]]) {
    assert.is(chooseEsp(esp([cbc(128), ...integrity, NO_ESN]), suites), undefined);
    notOffered(() => checkEspAnswer(esp([cbc(256), ...integrity, NO_ESN]), suites));
  }
  assert.is(chooseEsp(esp([{ type: 1, id: 12 }, sha256, NO_ESN]), suites), undefined);
  assert.equal(checkEspAnswer(esp([NO_ESN, sha256, cbc(256)]), suites).proposal.suite, 'aes256-sha256');
});

test('ESP: without extended sequence numbers', () => {
  const suites: EspProposal[] = [{ suite: 'chacha20poly1305' }];
  assert.ok(chooseEsp(esp([ENCR_CHACHA, ESN, NO_ESN]), suites));
  assert.is(chooseEsp(esp([ENCR_CHACHA, ESN]), suites), undefined);
  assert.is(chooseEsp(esp([ENCR_CHACHA]), suites), undefined);
});

test('ESP: the group is optional only where NONE is offered', () => {
  const without: EspProposal[] = [{ suite: 'chacha20poly1305' }];
  const withGroup: EspProposal[] = [{ suite: 'chacha20poly1305', group: 'x25519' }];
  assert.is(chooseEsp(esp([ENCR_CHACHA, X25519, NO_ESN]), without), undefined);
  assert.ok(chooseEsp(esp([ENCR_CHACHA, X25519, NO_DH, NO_ESN]), without));
  assert.equal(chooseEsp(esp([ENCR_CHACHA, X25519, NO_DH, NO_ESN]), withGroup)?.proposal, withGroup[0]);
  assert.is(chooseEsp(esp([ENCR_CHACHA, NO_ESN]), withGroup), undefined);
});

test('ESP: reserved and missing SPIs are not chosen', () => {
  const suites: EspProposal[] = [{ suite: 'chacha20poly1305' }];
  for (const spi of ['', '000000ff', '00000000', '0000000000000100']) {
    assert.is(chooseEsp(esp([ENCR_CHACHA, NO_ESN], { spi: hex(spi) }), suites), undefined);
    notOffered(() => checkEspAnswer(esp([ENCR_CHACHA, NO_ESN], { spi: hex(spi) }), suites));
  }
  assert.is(chooseEsp(esp([ENCR_CHACHA, NO_ESN], { protocol: 2 }), suites), undefined);
  assert.is(chooseEsp(esp([ENCR_CHACHA, NO_ESN]), suites)?.peerSpi, 0xc0ffee01);
});

test('ESP: offer, choice and check agree', () => {
  const suites: EspProposal[] = [{ suite: 'chacha20poly1305', group: 'ecp256' }, { suite: 'aes128gcm16' }];
  const choice = chooseEsp(offerEsp(suites, 0x100), suites.slice(1));
  assert.is(choice?.peerSpi, 0x100);
  assert.equal(checkEspAnswer(choice?.answer(0xffffffff) as SaPayload, suites), {
    proposal: suites[1],
    peerSpi: 0xffffffff,
  });
});

test('an initiator takes only one of its own proposals, under its number', () => {
  const suites: EspProposal[] = [{ suite: 'aes256gcm16' }, { suite: 'aes128gcm16' }];
  assert.ok(checkEspAnswer(esp([NO_ESN, ENCR_AES256]), suites));
  assert.ok(checkEspAnswer(esp([ENCR_AES256, NO_ESN, NO_DH, { type: 3, id: 0 }]), suites));
  const refused: SaPayload[] = [
    { type: 'SA', proposals: [] },
    {
      type: 'SA',
      proposals: [...esp([ENCR_AES256, NO_ESN]).proposals, ...esp([ENCR_AES256, NO_ESN]).proposals],
    },
    esp([ENCR_AES256, NO_ESN], { number: 0 }),
    esp([ENCR_AES256, NO_ESN], { number: 2 }),
    esp([ENCR_AES256, NO_ESN], { number: 3 }),
    esp([ENCR_AES256, NO_ESN], { protocol: 1 }),
    esp([ENCR_AES256, ESN]),
    esp([ENCR_AES256]),
    esp([ENCR_AES256, ENCR_AES256]),
    esp([ENCR_AES256, NO_ESN, NO_ESN]),
    esp([ENCR_AES256, NO_ESN, X25519]),
    esp([ENCR_CHACHA, NO_ESN]),
    esp([{ type: 1, id: 20 }, NO_ESN]),
  ];
  for (const answer of refused) notOffered(() => checkEspAnswer(answer, suites));
});

test.run();
