// Proposals: what is offered, how a responder chooses, how an initiator checks the choice. RFC 7296 sections 2.7, 3.3.
import { VpnrError } from '../errors.js';
import type { DhGroup, EspSuite, IkeEncryption, IkeProposal, Prf } from './api.js';
import { u64Bytes } from './bytes.js';
import {
  DhGroupId,
  EncryptionId,
  EsnId,
  IntegrityId,
  PrfId,
  ProtocolId,
  TransformType,
} from './constants.js';
import type { Proposal, SaPayload, Transform } from './payloads/sa.js';

const FIRST_ESP_SPI = 256;

interface Ciphers {
  id: number;
  keyLength?: number;
  /** Of those that are not AEADs. */
  integrity?: number;
}

const CIPHERS: Record<IkeEncryption | EspSuite, Ciphers> = {
  chacha20poly1305: { id: EncryptionId.CHACHA20_POLY1305 },
  aes256gcm16: { id: EncryptionId.AES_GCM_16, keyLength: 256 },
  aes128gcm16: { id: EncryptionId.AES_GCM_16, keyLength: 128 },
  'aes256-sha256': { id: EncryptionId.AES_CBC, keyLength: 256, integrity: IntegrityId.HMAC_SHA2_256_128 },
  'aes128-sha256': { id: EncryptionId.AES_CBC, keyLength: 128, integrity: IntegrityId.HMAC_SHA2_256_128 },
};

const PRF: Record<Prf, number> = {
  prfsha256: PrfId.HMAC_SHA2_256,
  prfsha384: PrfId.HMAC_SHA2_384,
  prfsha512: PrfId.HMAC_SHA2_512,
};

const GROUP: Record<DhGroup, number> = {
  x25519: DhGroupId.CURVE25519,
  ecp256: DhGroupId.ECP_256,
  modp2048: DhGroupId.MODP_2048,
};

/** The transform id of a group, as in KE payloads and INVALID_KE_PAYLOAD notifications. */
export function groupId(group: DhGroup): number {
  return GROUP[group];
}

/** The group with this transform id, or undefined for one that is not implemented. */
export function groupOf(id: number): DhGroup | undefined {
  return (Object.keys(GROUP) as DhGroup[]).find(group => GROUP[group] === id);
}

/** An ESP suite with its Diffie-Hellman group; without one the keys come from SK_d alone. */
export interface EspProposal {
  suite: EspSuite;
  group?: DhGroup;
}

function cipherTransforms(suite: IkeEncryption | EspSuite): Transform[] {
  const { integrity, ...encryption } = CIPHERS[suite];
  const transforms: Transform[] = [{ type: TransformType.ENCR, ...encryption }];
  if (integrity !== undefined) transforms.push({ type: TransformType.INTEG, id: integrity });
  return transforms;
}

function ikeTransforms({ encryption, prf, group }: IkeProposal): Transform[] {
  return [
    ...cipherTransforms(encryption),
    { type: TransformType.PRF, id: PRF[prf] },
    { type: TransformType.DH, id: GROUP[group] },
  ];
}

/** A proposal as it is offered, and what an answer to it may stand for. */
interface Offer<Choice> {
  transforms: Transform[];
  choices: readonly Choice[];
}

/**
 * All combinations of some ciphers, functions and groups are one proposal (section 3.3), ciphers that need an integrity
 * algorithm and those that do not apart: IKE_SA_INIT cannot be fragmented and has to fit into a datagram. What is no such product
 * is offered one by one.
 */
function ikeOffers(proposals: readonly IkeProposal[]): Offer<IkeProposal>[] {
  const isAead = ({ encryption }: IkeProposal) => CIPHERS[encryption].integrity === undefined;
  const [first] = proposals;
  const isFirstKind = (one: IkeProposal) => first !== undefined && isAead(one) === isAead(first);
  const kinds = [proposals.filter(isFirstKind), proposals.filter(one => !isFirstKind(one))];
  return kinds
    .flatMap(kind => (isProduct(kind) ? [kind] : kind.map(one => [one])))
    .map(choices => ({
      transforms: distinct(choices.flatMap(ikeTransforms)).sort((a, b) => a.type - b.type),
      choices,
    }));
}

/** Whether these are all the combinations of what occurs in them. */
function isProduct(proposals: readonly IkeProposal[]): boolean {
  const count = (part: (proposal: IkeProposal) => string) => new Set(proposals.map(part)).size;
  const combinations = count(one => `${one.encryption}-${one.prf}-${one.group}`);
  return (
    combinations > 0 &&
    combinations === count(one => one.encryption) * count(one => one.prf) * count(one => one.group)
  );
}

function distinct(transforms: readonly Transform[]): Transform[] {
  return transforms.filter((one, index) => transforms.findIndex(other => isSame(one, other)) === index);
}

function espOffers(proposals: readonly EspProposal[]): Offer<EspProposal>[] {
  return proposals.map(proposal => ({ transforms: espTransforms(proposal), choices: [proposal] }));
}

function espTransforms({ suite, group }: EspProposal): Transform[] {
  const dh = group === undefined ? [] : [{ type: TransformType.DH, id: GROUP[group] }];
  return [...cipherTransforms(suite), ...dh, { type: TransformType.ESN, id: EsnId.NO_ESN }];
}

/** The offer of an IKE SA, best first. `spi` only when rekeying: the new SPI of this side. */
export function offerIke(proposals: readonly IkeProposal[], spi?: bigint): SaPayload {
  const spiBytes = spi === undefined ? new Uint8Array(0) : u64Bytes(spi);
  return offer(ProtocolId.IKE, spiBytes, ikeOffers(proposals));
}

/** The offer of a Child SA, best first. `spi` is where this side will receive. In IKE_AUTH without groups. */
export function offerEsp(proposals: readonly EspProposal[], spi: number): SaPayload {
  return offer(ProtocolId.ESP, espSpiBytes(spi), espOffers(proposals));
}

function offer(protocol: number, spi: Uint8Array, offers: readonly Offer<unknown>[]): SaPayload {
  return {
    type: 'SA',
    proposals: offers.map(({ transforms }, index) => ({ number: index + 1, protocol, spi, transforms })),
  };
}

function espSpiBytes(spi: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, spi);
  return bytes;
}

/** What a responder chose, and what it answers. */
export interface IkeChoice {
  proposal: IkeProposal;
  /** The SPI of the peer when rekeying. */
  peerSpi: bigint | undefined;
  /** The SA payload of the answer; `spi` is this side's when rekeying. */
  answer(spi?: bigint): SaPayload;
}

export interface EspChoice {
  proposal: EspProposal;
  /** Where the peer receives. */
  peerSpi: number;
  answer(spi: number): SaPayload;
}

/**
 * A responder's choice: the first of `acceptable` that the peer offers, or undefined. `rekey`: an SPI of 8 bytes is
 * required, else none must be there.
 */
export function chooseIke(
  offered: SaPayload,
  acceptable: readonly IkeProposal[],
  rekey: boolean,
): IkeChoice | undefined {
  for (const proposal of acceptable) {
    const transforms = ikeTransforms(proposal);
    const match = offered.proposals.find(
      candidate => isIke(candidate, rekey) && allows(candidate, transforms),
    );
    if (match === undefined) continue;
    const answer = (spi?: bigint) =>
      answerTo(match, transforms, spi === undefined ? new Uint8Array(0) : u64Bytes(spi));
    return { proposal, peerSpi: rekey ? ikeSpi(match) : undefined, answer };
  }
  return undefined;
}

/** A responder's choice for a Child SA, as in `chooseIke`. */
export function chooseEsp(offered: SaPayload, acceptable: readonly EspProposal[]): EspChoice | undefined {
  for (const proposal of acceptable) {
    const transforms = espTransforms(proposal);
    const match = offered.proposals.find(candidate => isEsp(candidate) && allows(candidate, transforms));
    if (match === undefined) continue;
    return { proposal, peerSpi: espSpi(match), answer: spi => answerTo(match, transforms, espSpiBytes(spi)) };
  }
  return undefined;
}

function answerTo(match: Proposal, transforms: readonly Transform[], spi: Uint8Array): SaPayload {
  return {
    type: 'SA',
    proposals: [{ number: match.number, protocol: match.protocol, spi, transforms: [...transforms] }],
  };
}

/** For an IKE SA; the SPI is there only when rekeying, and is not zero (section 3.1). */
function isIke(proposal: Proposal, rekey: boolean): boolean {
  if (proposal.protocol !== ProtocolId.IKE) return false;
  return rekey ? proposal.spi.length === 8 && ikeSpi(proposal) !== 0n : proposal.spi.length === 0;
}

/** For ESP, with an SPI that is not reserved (RFC 4303 section 2.1). */
function isEsp(proposal: Proposal): boolean {
  return (
    proposal.protocol === ProtocolId.ESP && proposal.spi.length === 4 && espSpi(proposal) >= FIRST_ESP_SPI
  );
}

function ikeSpi({ spi }: Proposal): bigint {
  return new DataView(spi.buffer, spi.byteOffset, 8).getBigUint64(0);
}

function espSpi({ spi }: Proposal): number {
  return new DataView(spi.buffer, spi.byteOffset, 4).getUint32(0);
}

/**
 * Whether the offered proposal leaves the choice of exactly these transforms: it has each of them, and no transform type
 * besides, unless NONE is one of the choices for it.
 */
function allows(offered: Proposal, wanted: readonly Transform[]): boolean {
  if (!wanted.every(transform => offered.transforms.some(candidate => isSame(candidate, transform))))
    return false;
  const types = new Set(offered.transforms.map(({ type }) => type));
  for (const { type } of wanted) types.delete(type);
  return [...types].every(type =>
    offered.transforms.some(transform => transform.type === type && isNone(transform)),
  );
}

function isNone({ type, id, unknownAttributes }: Transform): boolean {
  if (unknownAttributes !== undefined) return false;
  return (
    (type === TransformType.INTEG && id === IntegrityId.NONE) ||
    (type === TransformType.DH && id === DhGroupId.NONE)
  );
}

function isSame(a: Transform, b: Transform): boolean {
  return (
    a.type === b.type &&
    a.id === b.id &&
    a.keyLength === b.keyLength &&
    a.unknownAttributes === undefined &&
    b.unknownAttributes === undefined
  );
}

/**
 * An initiator's check of the answer to `offerIke`: which of the offered proposals it is, and the peer's SPI when
 * rekeying. Throws NO_PROPOSAL_CHOSEN for an answer that was not offered.
 */
export function checkIkeAnswer(
  answer: SaPayload,
  offered: readonly IkeProposal[],
  rekey: boolean,
): { proposal: IkeProposal; peerSpi: bigint | undefined } {
  const single = onlyProposal(answer);
  if (!isIke(single, rekey)) notOffered('another protocol or a wrong SPI');
  const proposal = chosen(single, ikeOffers(offered), ikeTransforms);
  return { proposal, peerSpi: rekey ? ikeSpi(single) : undefined };
}

/** An initiator's check of the answer to `offerEsp`, as in `checkIkeAnswer`. */
export function checkEspAnswer(
  answer: SaPayload,
  offered: readonly EspProposal[],
): { proposal: EspProposal; peerSpi: number } {
  const single = onlyProposal(answer);
  if (!isEsp(single)) notOffered('another protocol or a wrong SPI');
  return { proposal: chosen(single, espOffers(offered), espTransforms), peerSpi: espSpi(single) };
}

function onlyProposal({ proposals }: SaPayload): Proposal {
  const [single, ...others] = proposals;
  if (single === undefined || others.length > 0) notOffered(`${proposals.length} proposals instead of one`);
  return single;
}

/** The number must be that of a proposal that was offered, and the transforms those of one of its choices, in any order. */
function chosen<Choice>(
  single: Proposal,
  offers: readonly Offer<Choice>[],
  transformsOf: (choice: Choice) => Transform[],
): Choice {
  const offered = offers[single.number - 1];
  if (offered === undefined) notOffered(`proposal ${single.number} of ${offers.length}`);
  const answered = single.transforms.filter(transform => !isNone(transform));
  const choice = offered.choices.find(one => {
    const transforms = transformsOf(one);
    return (
      answered.length === transforms.length &&
      transforms.every(transform => answered.some(other => isSame(transform, other)))
    );
  });
  return choice ?? notOffered('transforms that were not offered');
}

function notOffered(what: string): never {
  throw new VpnrError('NO_PROPOSAL_CHOSEN', `the gateway chose ${what}`, {
    remedy: 'this gateway breaks the protocol; look at its log',
  });
}
