/**
 * What an IKE session takes and gives. A session has no socket, no clock and no randomness of its own: datagrams
 * and times go in, outputs come out. Times are milliseconds of one monotonic clock.
 */
import type { ErrorCode } from '../errors.js';
import type { Secret } from '../secret.js';
import type { CookieIssuer } from './cookie.js';

export type DhGroup = 'x25519' | 'ecp256' | 'modp2048';
/** The last two are AES-CBC with HMAC-SHA2-256-128. */
export type EspSuite = 'chacha20poly1305' | 'aes256gcm16' | 'aes128gcm16' | 'aes256-sha256' | 'aes128-sha256';
/** What protects IKE's own messages: the same as for ESP. */
export type IkeEncryption = EspSuite;
export type Prf = 'prfsha256' | 'prfsha384' | 'prfsha512';

/** One IKE proposal, as in `chacha20poly1305-prfsha256-x25519`. */
export interface IkeProposal {
  encryption: IkeEncryption;
  prf: Prf;
  group: DhGroup;
}

/** Addresses in text form, both inclusive. Protocol 0 is any. */
export interface TrafficSelector {
  family: 4 | 6;
  protocol: number;
  firstPort: number;
  lastPort: number;
  first: string;
  last: string;
}

export interface IkeEnvironment {
  /** `size` unpredictable bytes. */
  random(size: number): Uint8Array;
  /** A fresh inbound ESP SPI, never below 256, reserved until `releaseSpi`. Throws ASSOCIATIONS_FULL. */
  allocateSpi(): number;
  /** For an SPI that came to nothing. One handed over in `child-up` is freed by whoever carries out `child-down`. */
  releaseSpi(spi: number): void;
}

export interface Lifetimes {
  /** Milliseconds after which a rekey begins. A random tenth is taken off, so that both ends do not collide. */
  ikeMs: number;
  childMs: number;
}

export interface InitiatorOptions {
  identity: string;
  /** What the gateway must prove to be. */
  peerIdentity: string;
  psk: Secret;
  ike: readonly IkeProposal[];
  esp: readonly EspSuite[];
  /** Addresses asked for again after a reconnection, so that a gateway can give the same. */
  wantedAddress?: string;
  /**
   * Our address in the tunnel, for a gateway that assigns none: no configuration is requested, and the selectors that the
   * gateway agrees to must contain it.
   */
  innerAddress?: string;
  localSelectors?: readonly TrafficSelector[];
  remoteSelectors?: readonly TrafficSelector[];
  lifetimes: Lifetimes;
  /** The socket's addresses, for the NAT_DETECTION hashes of RFC 7296 section 2.23. */
  local: Endpoint;
  remote: Endpoint;
  /** Largest IKE datagram sent before RFC 7383 fragments are used. */
  fragmentSize?: number;
  timing?: Partial<RetransmitTiming>;
  /** Of IKE_SA_INIT, where it differs: as nothing else can be done before it is answered, the time between two is what a return of the network costs. */
  initTiming?: Partial<RetransmitTiming>;
  /** False: this end does not speak of MOBIKE (RFC 4555). */
  mobike?: boolean;
}

export interface ResponderOptions {
  identity: string;
  /** The pre-shared key of the client with this identity, or undefined. It stays the caller's. */
  psk(identity: string): Secret | undefined;
  /** What an authenticated client gets; undefined when nothing is left. `wanted` is the address it asks for. */
  assign(identity: string, wanted: string | undefined): AssignedConfiguration | undefined;
  /** The session of the client is over. */
  release(identity: string, configuration: AssignedConfiguration): void;
  /** What clients may reach, in CIDR notation. */
  networks: readonly string[];
  ike: readonly IkeProposal[];
  esp: readonly EspSuite[];
  lifetimes: Lifetimes;
  local: Endpoint;
  remote: Endpoint;
  fragmentSize?: number;
  timing?: Partial<RetransmitTiming>;
  /** False: this end does not speak of MOBIKE (RFC 4555). */
  mobike?: boolean;
  /** This very object is kept: what is changed in it counts at once. */
  limits?: SessionLimits;
  /** Asked before a half-open IKE SA is made: whether there may be one more. Absent: there may. */
  admits?(): boolean;
  /** Answers IKE_SA_INIT with a cookie, and keeps no state, while `required` says so (RFC 7296 section 2.6). */
  cookies?: { issuer: CookieIssuer; required(): boolean };
}

/** What a peer can make a session keep. */
export interface SessionLimits {
  /** Children, those that linger after their deletion included. One more is there while we rekey. */
  children: number;
  /** Traffic selectors on each side of a child. */
  selectors: number;
}

export interface Endpoint {
  address: string;
  port: number;
}

export interface RetransmitTiming {
  /** First wait, then doubled (times `factor`) up to `maxMs`, `tries` transmissions in all. */
  firstMs: number;
  factor: number;
  maxMs: number;
  tries: number;
}

/** What the gateway's configuration payload assigned (RFC 7296 section 3.15), or `innerAddress` in its place. */
export interface AssignedConfiguration {
  addresses: string[];
  /** Addresses of name servers. */
  dns: string[];
  /** Names below which those are to be asked (RFC 8598), without a final dot. */
  domains: string[];
  /** In CIDR notation. */
  subnets: string[];
}

/** A child SA ready for ESP. The receiver of this object owns the secrets and wipes them. */
export interface ChildSa {
  suite: EspSuite;
  inboundSpi: number;
  outboundSpi: number;
  /** Key and salt, or the keys for encryption and integrity, as they come from KEYMAT: 20 to 64 bytes. */
  inboundKey: Secret;
  outboundKey: Secret;
  localSelectors: TrafficSelector[];
  remoteSelectors: TrafficSelector[];
}

export type IkeOutput =
  /** Send this IKE message (no non-ESP marker). */
  | { type: 'send'; datagram: Uint8Array }
  /**
   * Authenticated; the first child follows in the same list (a responder that refused only the child has none).
   * `initialContact`: an initiator says that it has no other session, so older ones of this identity are dead.
   */
  | {
      type: 'established';
      peerIdentity: string;
      configuration: AssignedConfiguration;
      proposal: IkeProposal;
      initialContact?: true;
    }
  /**
   * Receive on it at once, and send on it from now on, unless `receiveOnly`: then the peer began the rekeying and may
   * not know the new child yet, so sending goes on as before until `child-send` (RFC 7296 section 2.8). `replaces` is
   * the inbound SPI of the child it takes over from; that one can be received on until its own `child-down`.
   */
  | { type: 'child-up'; child: ChildSa; replaces?: number; receiveOnly?: true }
  /** Send on this child from now on. */
  | { type: 'child-send'; inboundSpi: number }
  /** Neither send nor receive on it any more. */
  | { type: 'child-down'; inboundSpi: number; outboundSpi: number }
  | { type: 'ike-rekeyed' }
  /** As initiator: the gateway reaches us, IKE and ESP alike, where `moved` said. */
  | { type: 'addresses-updated' }
  /** As initiator: the gateway does not accept where we have moved. Its associations stay with the address of before. */
  | { type: 'addresses-refused'; message: string }
  /** As responder: the client is reached here from now on, with what is in this list behind it and ESP alike. */
  | { type: 'peer-moved'; remote: Endpoint }
  /** As initiator: the gateway is about to stop, and asks us to go elsewhere. */
  | { type: 'drain' }
  /** The peer answered a request: it is alive. Round trip only if the request was sent once (Karn). */
  | { type: 'alive'; roundTripMs?: number }
  /** Something arrived that was ignored; for counters, never for decisions. */
  | { type: 'ignored'; reason: string }
  /**
   * The session is over, and every child with it: no `child-down` comes for them. `code` absent: closed on purpose, by
   * us or (`byPeer`) by the peer's DELETE.
   */
  | { type: 'closed'; byPeer: boolean; code?: ErrorCode; message: string };

/** One IKE SA and its children, in either role. After `closed` every call returns an empty list. */
export interface IkeSession {
  /** Begins: returns what to send. An initiator only. */
  start(now: number): IkeOutput[];
  /**
   * A datagram from the peer, without the non-ESP marker. Kept by nobody after the call. `from` is where it came from,
   * absent: where the peer is known to be. Responses in the outputs go there; requests go to the peer's own address.
   */
  receive(datagram: Uint8Array, now: number, from?: Endpoint): IkeOutput[];
  /** The time came that `nextTimer` named (calling it earlier is harmless). */
  tick(now: number): IkeOutput[];
  /** When `tick` is wanted next, or undefined. */
  nextTimer(): number | undefined;
  /** Liveness check (RFC 7296 section 2.4): an empty INFORMATIONAL, unless a request is already under way. */
  probe(now: number): IkeOutput[];
  /** Sends the request that is under way, if there is one, once more before its time. */
  repeat(now: number): IkeOutput[];
  /**
   * As initiator: what is sent from now on comes from another address, `local` or, behind a NAT, what the NAT makes of
   * it. To be called when it can be sent from there. With `mobike`, the gateway is told until it answers:
   * `addresses-updated` or `addresses-refused` follows, or `closed`. Without, the gateway may follow by itself, or not.
   */
  moved(local: Endpoint, now: number): IkeOutput[];
  /** As responder: asks the client to go elsewhere, if it `understandsDrain`. */
  drain(now: number): IkeOutput[];
  rekeyIke(now: number): IkeOutput[];
  rekeyChild(now: number): IkeOutput[];
  /** Sends DELETE for the IKE SA, and ends. The datagram is sent once: nobody waits for the answer. */
  close(now: number): IkeOutput[];
  /** Whether it is established and both ends support MOBIKE (RFC 4555). */
  readonly mobike: boolean;
  /** Whether it is established and the peer understands `drain`. */
  readonly understandsDrain: boolean;
  readonly state: 'idle' | 'connecting' | 'established' | 'closed';
}
