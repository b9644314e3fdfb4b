/**
 * The contract between JavaScript and the packet core: memory layout, record shapes, codes. Both compilers
 * (TypeScript and AssemblyScript) read this file, so it holds plain numeric constants and nothing else.
 * Integers in memory are little endian unless a comment says "network order".
 */

// --- Batches -------------------------------------------------------------------------------------------------

/** Packets in a batch. */
export const BATCH = 64;
/** Bytes of a slot; a slot holds one packet with room in front for all that encapsulation adds. */
export const SLOT_SIZE = 10240;
/** Offset in its slot at which a packet or datagram is read. */
export const SLOT_HEADROOM = 256;
/** Largest IP packet, in bytes, accepted from a device or a tunnel. */
export const MAX_PACKET = 9216;
/** Slot after the batch's own, for packets that the core itself originates: probes. */
export const OWN_SLOT = BATCH;
/** Datagrams that one call can make of a batch or find in it, with offloads: a slot holds up to GROUP_MAX of them. */
export const DATAGRAMS_MAX = 4096;
/** Message after the batch's own, of OWN_SLOT. */
export const OWN_MESSAGE = DATAGRAMS_MAX;
/** From here on: a client's messages for the second path, up to DATAGRAMS_MAX of them. */
export const SECOND_MESSAGE = OWN_MESSAGE + 1;
/** Messages for which there is room. */
export const MESSAGES_MAX = SECOND_MESSAGE + DATAGRAMS_MAX;

// --- Offloads ------------------------------------------------------------------------------------------------

/** The device's packets have a struct virtio_net_hdr in front, and may be super-packets. */
export const OFFLOAD_HEADER = 1;
/** The device takes super-packets of TCP, and of UDP. */
export const OFFLOAD_TCP = 2;
export const OFFLOAD_UDP = 4;
/** Datagrams of equal size leave together in one message (UDP_SEGMENT). */
export const OFFLOAD_SEND = 8;
/** They are received together in one slot (UDP_GRO). */
export const OFFLOAD_RECEIVE = 16;

/** Bytes of struct virtio_net_hdr. */
export const VNET_HEADER = 10;
/** Bytes of a slot for super-packets or for datagrams received together; SLOT_HEADROOM as in the others. */
export const BIG_SLOT_SIZE = 0x10400;
/** Largest super-packet, and most bytes in one message. */
export const SUPER_MAX = 65535;
export const GROUP_BYTES = 65507;
/** Datagrams in one message, packets in a super-packet for the device. */
export const GROUP_MAX = 64;
/** Largest datagram that is handled. */
export const DATAGRAM_MAX = SLOT_SIZE - SLOT_HEADROOM;

// --- Records of the operating system (64-bit Linux) ----------------------------------------------------------

export const IOVEC_SIZE = 16;
/** struct mmsghdr: msghdr (56 bytes), msg_len at 56. */
export const MMSG_SIZE = 64;
export const MMSG_LENGTH = 56;
/** msghdr.msg_flags, and the flag that says the datagram was longer than its slot. */
export const MMSG_FLAGS = 48;
export const MSG_TRUNC = 0x20;
/** Room for one sockaddr_in or sockaddr_in6. */
export const NAME_SIZE = 32;

// --- Memory layout -------------------------------------------------------------------------------------------
// Below LAYOUT_BASE live the compiler's static data. Memory is fixed; pages never touched cost nothing.

export const MEMORY_BYTES = 16384 * 65536;
export const LAYOUT_BASE = 0x100000;

/** Packets from the device, to be sealed. BATCH slots and the OWN_SLOT. */
export const TX_SLOTS = 0x100000;
/** Datagrams from the network, to be opened. */
export const RX_SLOTS = 0x200000;
/** u32 lengths of the packets in TX_SLOTS or BIG_TX_SLOTS, vnet header included, set by JavaScript. */
export const TX_LENGTHS = 0x300000;
/** mmsghdr, iovec, sockaddr and control message arrays of a receive call, filled by the core. BATCH of each. */
export const RX_MMSG = 0x306000;
export const RX_IOV = 0x308000;
export const RX_NAMES = 0x309000;
export const RX_CONTROLS = 0x30b000;
export const EVENT_SIZE = 48;
/** The last receive call's list lengths: u32 device packets, u32 control datagrams, u32 events, u32 datagrams to
 * send back (already in TX_MMSG). */
export const RESULT = 0x30f000;
export const RESULT_TO_DEVICE = RESULT;
export const RESULT_TO_CONTROL = RESULT + 4;
export const RESULT_EVENTS = RESULT + 8;
export const RESULT_REPLIES = RESULT + 12;
/** Relay server: messages of the last transmit call in TX_RAW_MMSG; where the next drain call goes on. */
export const RESULT_RAW = RESULT + 16;
export const RESULT_NEXT = RESULT + 20;
/** Client: messages of the last transmit call for the second path, from SECOND_MESSAGE of TX_MMSG on. */
export const RESULT_SECOND = RESULT + 24;
/** Client, u32 each: packets of applications so far, modulo 2^32, sent and received; not the relay's control connection's. */
export const TRAFFIC_SENT = RESULT + 64;
export const TRAFFIC_RECEIVED = RESULT + 68;
/** u64 counters, indexed by the COUNTER_ constants. */
export const COUNTERS = 0x310000;
export const COUNTERS_MAX = 128;
/** Arguments too big for registers, secrets included: whoever reads them wipes them. */
export const SCRATCH = 0x311000;
export const SCRATCH_SIZE = 0x1000;
/** Where the tables of security associations start; those of the relay server start at SESSIONS. */
export const TABLES = 0x320000;
/** Records of outbound and inbound associations, SA_MAX of SA_RECORD_SIZE bytes each. */
export const SA_OUT = TABLES;
export const SA_IN = 0x420000;
export const SA_RECORD_SIZE = 0x400;
/** In a record, u64: outbound the last sequence number sent; inbound the highest one accepted, with which the
 * anti-replay window begins. */
export const SA_SEQUENCE = 704;
/** Cipher contexts of AEAD_CONTEXT_SIZE bytes: those of the outbound associations, then the inbound ones'. */
export const SA_CONTEXTS = 0x600000;
/** Gateway: records of its peers, PEER_MAX of PEER_SIZE bytes each. */
export const PEERS = 0x3000000;

// --- Memory of the batches beyond TX_SLOTS and RX_SLOTS, behind the tables ------------------------------------

/** With OFFLOAD_HEADER in place of TX_SLOTS: BATCH slots of BIG_SLOT_SIZE; the vnet header ends at SLOT_HEADROOM. */
export const BIG_TX_SLOTS = 0x9800000;
/** With OFFLOAD_RECEIVE in place of RX_SLOTS. */
export const BIG_RX_SLOTS = 0x9d00000;
/** Packets that super-packets were cut into. */
export const SEGMENTS = 0xa200000;
export const SEGMENTS_END = 0xaa00000;
/** mmsghdr, iovec, sockaddr and control message arrays of a transmit call: MESSAGES_MAX of each. */
export const TX_MMSG = 0xb000000;
export const TX_IOV = 0xb090000;
export const TX_NAMES = 0xb0c0000;
export const TX_CONTROLS = 0xb110000;
/** A struct cmsghdr with one u16 (UDP_SEGMENT) or int (UDP_GRO), and the bytes from one to the next. */
export const CONTROL_SIZE = 24;
/** Relay server: a second mmsghdr array, of messages for the raw socket (IP in IP). */
export const TX_RAW_MMSG = 0xab00000;
/** The sockaddrs of those. */
export const TX_RAW_NAMES = 0xac20000;
/** What messageSplit makes of messages: one for each of their datagrams, MESSAGES_MAX in all. */
export const TX_SPLIT_MMSG = 0xb150000;
/**
 * Packets to write to the device after a receive call: u32 address, u32 length each. With OFFLOAD_HEADER: u32 address and
 * u32 number of the iovecs, in DEVICE_IOV, that are one packet with its vnet header.
 */
export const TO_DEVICE = 0xaba0000;
export const DEVICE_IOV = 0xabb0000;
/** IKE datagrams (without the non-ESP marker) after a receive call: u32 address, u32 length each. */
export const TO_CONTROL = 0xabd0000;
/** Events of the last receive call, EVENT_SIZE bytes each. */
export const EVENTS = 0xabe0000;
/** Client: copies for the second path. */
export const SECOND_PACKETS = 0xb200000;
export const SECOND_PACKETS_END = 0xba00000;
/** Relay server: the packets of a batch that go to a second path too: u32 address, u32 length, u64 path each. */
export const SECOND_LIST = 0xba00000;

// --- Status codes: what an export returns, negative for an error ---------------------------------------------

export const OK = 0;
export const ERR_INDEX = -1;
export const ERR_SUITE = -2;
export const ERR_LENGTH = -3;
export const ERR_STATE = -5;

// --- ESP suites ----------------------------------------------------------------------------------------------

/** RFC 7634: 32-byte key, 4-byte salt, 8-byte IV, 16-byte ICV. */
export const SUITE_CHACHA20_POLY1305 = 1;
/** RFC 4106: 16-byte key, 4-byte salt, 8-byte IV, 16-byte ICV. */
export const SUITE_AES_128_GCM = 2;
/** RFC 4106: 32-byte key, 4-byte salt, 8-byte IV, 16-byte ICV. */
export const SUITE_AES_256_GCM = 3;
/** RFC 3602, RFC 4868 (HMAC-SHA2-256-128): 16-byte key, 32-byte HMAC key, 16-byte IV, 16-byte ICV. */
export const SUITE_AES_128_CBC_SHA256 = 4;
/** As before with a 32-byte key. */
export const SUITE_AES_256_CBC_SHA256 = 5;

/** An installed key of any suite: the cipher's tables and the salt. Begins at a multiple of 16. */
export const AEAD_CONTEXT_SIZE = 20480;

// --- Security associations -----------------------------------------------------------------------------------

/** Inbound and outbound associations have a table each. An inbound SPI's low bits are its index in the table. */
export const SA_MAX = 1024;
export const SA_INDEX_MASK = SA_MAX - 1;
export const DIRECTION_OUT = 0;
export const DIRECTION_IN = 1;
/** Anti-replay window in packets (RFC 6479). */
export const REPLAY_WINDOW = 2048;
/** Traffic selectors kept for one inbound association, each side. */
export const SELECTORS_MAX = 8;
/** One selector: u8 family (4 or 6), u8 protocol (0 any), u16 first port, u16 last port, u16 zero, 16 bytes first
 * address, 16 bytes last address (both network order, IPv4 in the first 4 bytes). */
export const SELECTOR_SIZE = 40;
/** Flag of an association: extended (64-bit) sequence numbers, RFC 4303 section 2.2.1. */
export const SA_FLAG_ESN = 1;
/** Arguments of an installation, in SCRATCH: 20 to 64 bytes of key and salt, or of both keys; at SCRATCH_SELECTORS u32 number of
 * local selectors, u32 number of remote ones, then both lists, the local one first. */
export const SCRATCH_SELECTORS = 64;

/** A client's ways to the network: one per configured gateway. */
export const PATH_MAX = 16;

// --- Peers of a gateway --------------------------------------------------------------------------------------

/** Clients that a gateway can have at once, each with an association each way at least. */
export const PEER_MAX = 1024;
export const PEER_SIZE = 64;
/** In a record, u64: authentic packets received from the peer since it was installed. */
export const PEER_RECEIVED = 16;

/** The client's addresses by slot: the device's, the control connection's, then each path's virtual address. */
export const ADDRESS_DEVICE = 0;
export const ADDRESS_CONTROL = 1;
export const ADDRESS_PATH = 2;

// --- Relay (client side and server side) ---------------------------------------------------------------------

export const RELAY_VERSION = 2;
export const RELAY_DATA = 1;
export const RELAY_PROBE = 2;
export const RELAY_PROBE_REPLY = 3;
export const RELAY_DRAIN = 4;
/** From the relay, over paths that are not the active one: it sends over that and hears nothing. Body: u32 ms. */
export const RELAY_SUSPECT = 5;
/** u8 version << 4 | type, u8 flags, u16 path epoch, u32 session index, u64 sequence number, u64 tag; all but the
 * tag (little endian, as SipHash writes it) in network order. In sealed mode without the tag, which is behind the payload. */
export const RELAY_HEADER = 24;
export const RELAY_SEALED_HEADER = 16;
export const RELAY_SEALED_TAG = 16;
/** Bytes of one direction's key: SipHash's, or in sealed mode ChaCha20-Poly1305's 32 and 4 of salt. */
export const RELAY_KEY = 16;
export const RELAY_SEALED_KEY = 36;
/** Sequence numbers that the relay's duplicate filter of a session remembers below the highest, and the client's. */
export const DUPLICATE_WINDOW = 32768;
export const CLIENT_WINDOW = 262144;
/** Sessions of a relay server. */
export const SESSION_MAX = 131072;

/**
 * Body of a probe, and of the reply, in network order. PROBE_COMPLETE, u64: no number up to this one is missing (or it is
 * too late for it). PROBE_HIGHEST, u64: highest number received. PROBE_HEARD, u32, of a reply: ms since the relay heard the
 * client over the active path, at most 2^32 - 1. PROBE_FROM, u64: the number of the first bit (the lowest of the byte) of
 * the bitmap at PROBE_BITMAP, which goes on to the body's end; a bit that is set: received.
 * With RELAY_FLAG_SECOND there is, in place of the bitmap, a u8 number of flow rules, three bytes of zero, and the rules.
 */
export const PROBE_ID = 0;
export const PROBE_TIME = 4;
export const PROBE_COMPLETE = 12;
export const PROBE_HIGHEST = 20;
export const PROBE_HEARD = 28;
export const PROBE_FROM = 32;
export const PROBE_BITMAP = 40;
/** The shortest body. */
export const RELAY_PROBE_BODY = PROBE_BITMAP;
/** The longest bitmap that is sent. */
export const PROBE_BITMAP_MAX = 1024;
/** Bytes of the bitmap of other probes and replies while anything is missing: of more packets than are sent between two. */
export const PROBE_BITMAP_USUAL = 128;
/** Of a probe and its reply: send again what the sender of the probe lacks; the reply says what the relay lacks. */
export const RELAY_FLAG_SWITCH = 1;
/** Of a probe: this is the second path. */
export const RELAY_FLAG_SECOND = 2;
/** Of a probe over the active path: there is a second one. */
export const RELAY_FLAG_HAS_SECOND = 4;
/** Of a probe: the client keeps what it sends, and so should the relay. */
export const RELAY_FLAG_REPLAY = 8;
/** Of a probe and its reply: nobody waits for the reply. */
export const RELAY_FLAG_QUIET = 16;

/** Of a probe with RELAY_FLAG_SWITCH and its reply: once more, about what was lost while it was sent again, or behind that. */
export const RELAY_FLAG_AGAIN = 32;

/** A flow rule: u8 protocol, u8 differentiated services code point, u16 port of either end; 0, 0xff, 0: any. */
export const RULE_SIZE = 4;
export const RULES_MAX = 16;
/** The field of a rule when it does not matter. */
export const RULE_ANY_PROTOCOL = 0;
export const RULE_ANY_DSCP = 0xff;
export const RULE_ANY_PORT = 0;

/** How a client activates a path: at once and nothing more; because the one before has failed; while it still works. */
export const ACTIVATE_PLAIN = 0;
export const ACTIVATE_FAILED = 1;
export const ACTIVATE_ALIVE = 2;
/** Where a client's switch is: none under way; the relay's answer is awaited; packets are to be sent again. */
export const SWITCH_NONE = 0;
export const SWITCH_WAITING = 1;
export const SWITCH_RESENDING = 2;

export const RELAY_MODE_NONE = 0;
export const RELAY_MODE_CLEAR = 1;
export const RELAY_MODE_IPIP = 2;
export const RELAY_MODE_SEALED = 3;

// --- Tables of a relay server --------------------------------------------------------------------------------
// The pool table serves a gateway too.
// A session index is any nonzero u32; its low bits are its place in the tables, which no other session shares.

export const SESSION_INDEX_MASK = SESSION_MAX - 1;
/** Session records (assembly/sessions.ts). */
export const SESSIONS = 0x4000000;
export const SESSION_SIZE = 384;
/** The sessions' duplicate filters: u64 highest number and DUPLICATE_WINDOW bits, rounded up to 16 bytes. */
export const SESSION_WINDOWS = 0x10000000;
export const SESSION_WINDOW_SIZE = 4112;
/** u32 for every address of the pool, by its offset in the pool: relay server session index, gateway 1 + peer; zero:
 * nobody's. */
export const POOL = 0x9400000;
/** Addresses of the largest pool, a /12. */
export const POOL_MAX = 0x100000;
/** What clientBind and relaySessionInstall read at SCRATCH: client-to-relay key, relay-to-client key, RELAY_SEALED_KEY bytes
 * each, of which only sealed mode uses more than RELAY_KEY. */
export const SESSION_KEYS = 72;
/** Offset in SCRATCH of what clientRebind reads besides: a probe's body with what the relay of before had received. */
export const SCRATCH_RECEIVED = 128;
/** What relaySessionInfo writes at SCRATCH: u64 packets received, u32 path epoch, u32 zero, 16 bytes sockaddr_in of the
 * path (all zero as long as there is none). */
export const SESSION_INFO_RECEIVED = SCRATCH;
export const SESSION_INFO_EPOCH = SCRATCH + 8;
export const SESSION_INFO_PATH = SCRATCH + 16;

// --- Packets kept for a second time (assembly/ring.ts) ---------------------------------------------------------

/** Blocks of REPLAY_BLOCK bytes, REPLAY_BLOCKS of them at most. */
export const REPLAY_POOL = 0x31000000;
export const REPLAY_BLOCK = 0x4000;
export const REPLAY_BLOCKS = 0x3c00;

// --- Events --------------------------------------------------------------------------------------------------
// u32 kind, u32 path or session index, u32 a, u32 b, u64 c, u64 d.

/** A probe came back over the path. a: probe id; b: PROBE_HEARD; c: the time it left, as given to the probe call. */
export const EVENT_PROBE_REPLY = 1;
/** The relay asks the client to leave. */
export const EVENT_DRAIN = 2;
/** Relay server: an authentic packet moved a session to another path. b: the epoch; c: the path, as the first eight
 * bytes of a sockaddr_in (u16 family, u16 port and u32 address in network order). */
export const EVENT_SESSION_MOVED = 3;
/** Gateway: authentic packets of a peer (in place of the session index) come from another address now. From c on:
 * NAME_SIZE bytes, the sockaddr. */
export const EVENT_PEER_MOVED = 4;
/** The relay hears nothing over the active path. a: for how long, in ms. */
export const EVENT_SUSPECT = 5;
/** The relay has answered the switch to the path. */
export const EVENT_SWITCHED = 6;

// --- Counters ------------------------------------------------------------------------------------------------

export const COUNTER_TX_PACKETS = 0;
export const COUNTER_TX_BYTES = 1;
export const COUNTER_RX_PACKETS = 2;
export const COUNTER_RX_BYTES = 3;
export const COUNTER_KEEPALIVES = 4;
export const COUNTER_PROBES_SENT = 5;
export const COUNTER_PROBE_REPLIES = 6;
export const COUNTER_SESSION_MOVES = 7;
/** IKE datagrams handed to the control plane. */
export const COUNTER_CONTROL = 8;
/** The relay's requests to leave. */
export const COUNTER_DRAINS = 9;
/** Packets sent again after a switch. */
export const COUNTER_REPLAYED = 10;
/** Packets that had to make room in a ring although the other end had not acknowledged them. */
export const COUNTER_REPLAY_OVERFLOWS = 11;
/** Packets sent over a second path as well. */
export const COUNTER_SECOND_PACKETS = 12;
/** Packets that waited in a ring for the end of a switch. */
export const COUNTER_HELD_PACKETS = 13;
/** The relay's words that it hears nothing. */
export const COUNTER_SUSPECTS = 14;
/** Most blocks of REPLAY_BLOCK bytes that rings have had at once. */
export const COUNTER_REPLAY_BLOCKS = 15;
/** From here on every counter is a reason for a dropped packet. */
export const DROP_FIRST = 16;
export const DROP_TX_MALFORMED = 16;
export const DROP_TX_TOO_BIG = 17;
export const DROP_TX_SOURCE = 18;
export const DROP_TX_NO_TUNNEL = 19;
export const DROP_TX_NO_SESSION = 20;
export const DROP_TX_SEQUENCE_EXHAUSTED = 21;
export const DROP_TX_SEND = 22;
export const DROP_TX_DESTINATION = 23;
/** It waited for the end of a switch, and had to make room. */
export const DROP_TX_HELD = 24;
export const DROP_RX_SHORT = 32;
export const DROP_RX_UNKNOWN_SPI = 33;
export const DROP_RX_REPLAY = 34;
export const DROP_RX_AUTH = 35;
export const DROP_RX_TRAILER = 36;
export const DROP_RX_INNER_MALFORMED = 37;
export const DROP_RX_SELECTOR = 38;
export const DROP_RX_DUMMY = 39;
export const DROP_RX_CONTROL_FULL = 40;
export const DROP_RX_TRUNCATED = 41;
export const DROP_RX_DEVICE_WRITE = 42;
export const DROP_RX_FRAGMENT = 43;
export const DROP_RX_NOT_FOR_US = 44;
export const DROP_RELAY_SHORT = 48;
export const DROP_RELAY_VERSION = 49;
export const DROP_RELAY_SESSION = 50;
export const DROP_RELAY_TAG = 51;
export const DROP_RELAY_DUPLICATE = 52;
export const DROP_RELAY_INNER = 54;
export const DROP_RELAY_SOURCE = 55;
export const DROP_RELAY_PATH = 56;
export const DROP_RELAY_TYPE = 57;
