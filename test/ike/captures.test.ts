// Real handshakes with strongSwan, computed again from the initiator's private value.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readConfiguration } from '../../src/ike/configuration.js';
import { AuthMethod, ExchangeType, NotifyType } from '../../src/ike/constants.js';
import { verifySharedKeyAuth } from '../../src/ike/crypto/auth.js';
import { generateKeyExchange } from '../../src/ike/crypto/dh.js';
import { deriveIkeKeys, type IkeKeys } from '../../src/ike/crypto/keys.js';
import { openMessage } from '../../src/ike/crypto/protected.js';
import { OpeningKey, SealingKey } from '../../src/ike/crypto/sealing.js';
import { Reassembler, sealFragments } from '../../src/ike/fragment.js';
import { emitMessage, type Message, parseMessage } from '../../src/ike/message.js';
import { natDetectionHash } from '../../src/ike/nat.js';
import { idBody, isIdentity } from '../../src/ike/payloads/id.js';
import { findNotify, findPayload, type Payload, type PayloadOf } from '../../src/ike/payloads/payload.js';
import { checkEspAnswer, checkIkeAnswer } from '../../src/ike/proposal.js';
import { cidrSelector } from '../../src/ike/selectors.js';
import { Secret } from '../../src/secret.js';
import { CAPTURES, type Capture, INITIATOR, PSK, RESPONDER } from './captures.js';
import { hex } from './support.js';

const GATEWAYS = ['198.51.100.10', '198.51.100.11'];
/** The limit that the initiator was given for the capture with fragments. */
const FRAGMENT_SIZE = 140;

/** The payload that must be there. */
function need<T extends Payload['type']>(message: Message, type: T): PayloadOf<T> {
  const found = findPayload(message.payloads, type);
  if (found === undefined) throw new Error(`no ${type} payload`);
  return found;
}

function openAll(datagrams: readonly string[], key: OpeningKey): Message {
  if (datagrams.length === 1) return openMessage(hex(datagrams[0] as string), key);
  const reassembler = new Reassembler();
  const results = datagrams.map(datagram => reassembler.accept(hex(datagram), key));
  return results.at(-1) as Message;
}

/** Parses the first exchange, and derives the keys from it. */
function begin(capture: Capture): { request: Message; response: Message; keys: IkeKeys } {
  const { proposal, privateValue } = capture;
  const request = parseMessage(hex(capture.initRequest));
  const response = parseMessage(hex(capture.initResponse));
  const exchange = generateKeyExchange(proposal.group, () => hex(privateValue));
  assert.equal(exchange.publicValue, need(request, 'KE').data);
  const keys = deriveIkeKeys({
    prf: proposal.prf,
    encryption: proposal.encryption,
    initiatorNonce: need(request, 'Nonce').data,
    responderNonce: need(response, 'Nonce').data,
    initiatorSpi: request.initiatorSpi,
    responderSpi: response.responderSpi,
    sharedSecret: exchange.sharedSecret(need(response, 'KE').data),
  });
  return { request, response, keys };
}

for (const capture of CAPTURES) {
  const { name, proposal } = capture;

  test(`${name}: IKE_SA_INIT`, () => {
    const request = parseMessage(hex(capture.initRequest));
    const response = parseMessage(hex(capture.initResponse));
    assert.equal(emitMessage(request), hex(capture.initRequest));
    assert.equal(emitMessage(response), hex(capture.initResponse));
    assert.equal(checkIkeAnswer(need(response, 'SA'), [proposal], false), { proposal, peerSpi: undefined });
    assert.ok(response.response && !response.initiator && response.exchange === ExchangeType.IKE_SA_INIT);
    assert.ok(findNotify(response.payloads, NotifyType.IKEV2_FRAGMENTATION_SUPPORTED));
  });

  test(`${name}: the request's hash of the destination is that of the gateway`, () => {
    const request = parseMessage(hex(capture.initRequest));
    const found = findNotify(request.payloads, NotifyType.NAT_DETECTION_DESTINATION_IP)?.data;
    const hashes = GATEWAYS.map(address =>
      natDetectionHash(request.initiatorSpi, 0n, { address, port: 4500 }),
    );
    assert.ok(hashes.some(hash => Buffer.compare(hash, found ?? hex('')) === 0));
  });

  test(`${name}: IKE_AUTH authenticates both sides, and assigns what the gateway was set to`, () => {
    const { request, response, keys } = begin(capture);
    const psk = Secret.fromText(PSK);
    const opening = new OpeningKey(proposal.encryption, keys.responderEncryption);
    const answer = openAll(capture.authResponse, opening);
    const question = openAll(
      capture.authRequest,
      new OpeningKey(proposal.encryption, keys.initiatorEncryption),
    );
    assert.ok(isIdentity(need(question, 'IDi'), INITIATOR));
    assert.ok(isIdentity(need(answer, 'IDr'), RESPONDER));
    assert.is(need(answer, 'AUTH').method, AuthMethod.SHARED_KEY_MIC);
    const initiatorOctets = {
      message: hex(capture.initRequest),
      peerNonce: need(response, 'Nonce').data,
      authKey: keys.initiatorAuth,
      idBody: idBody(need(question, 'IDi')),
    };
    const responderOctets = {
      message: hex(capture.initResponse),
      peerNonce: need(request, 'Nonce').data,
      authKey: keys.responderAuth,
      idBody: idBody(need(answer, 'IDr')),
    };
    assert.ok(verifySharedKeyAuth(proposal.prf, psk, initiatorOctets, need(question, 'AUTH').data));
    assert.ok(verifySharedKeyAuth(proposal.prf, psk, responderOctets, need(answer, 'AUTH').data));
    const configuration = { addresses: ['10.61.0.1'], dns: ['10.20.0.53'], domains: [], subnets: [] };
    assert.equal(readConfiguration(need(answer, 'CP')), configuration);
    assert.equal(need(answer, 'TSi').selectors, [cidrSelector('10.61.0.1')]);
    assert.equal(need(answer, 'TSr').selectors, [cidrSelector('10.20.0.0/16')]);
    const { peerSpi } = checkEspAnswer(need(answer, 'SA'), [{ suite: capture.esp }]);
    assert.is(peerSpi, capture.responderSpi);
    assert.equal(openMessage(hex(capture.deleteResponse), opening).payloads, []);
  });

  test(`${name}: sealing the request again gives the same datagrams`, () => {
    const { keys } = begin(capture);
    const secret = keys.initiatorEncryption;
    const question = openAll(capture.authRequest, new OpeningKey(proposal.encryption, secret));
    const limit = capture.authRequest.length === 1 ? 1280 : FRAGMENT_SIZE;
    const sealed = sealFragments(question, new SealingKey(proposal.encryption, secret), limit);
    assert.equal(sealed, capture.authRequest.map(hex));
  });
}

test.run();
