/**
 * Puts an application into Node's executable: as an ELF note of the name that Node looks for in its own program headers.
 * The note goes into a new read-only segment at the end, together with the table of program headers, which has no room to
 * grow where it is. Debug sections and symbols, which lie there, go. 64-bit little-endian ELF; see elf(5).
 */
const NOTE_NAME = 'NODE_SEA_BLOB';
/** Node looks for an application only if the digit behind this is 1. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:';

const PT_LOAD = 1;
const PT_NOTE = 4;
const PT_PHDR = 6;
const PF_R = 4;
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
/** The largest page of the platforms: 64 KiB on arm64. */
const PAGE = 0x1_0000;
const NOTE_ALIGNMENT = 4;

/** Offsets in the ELF header. */
const E_PHOFF = 32;
const E_SHOFF = 40;
const E_PHENTSIZE = 54;
const E_PHNUM = 56;
const E_SHNUM = 60;
const E_SHSTRNDX = 62;

const roundUp = (value, unit) => Math.ceil(value / unit) * unit;

function readProgramHeader(bytes, at) {
  const long = offset => Number(bytes.readBigUInt64LE(at + offset));
  return {
    type: bytes.readUInt32LE(at),
    flags: bytes.readUInt32LE(at + 4),
    offset: long(8),
    address: long(16),
    physical: long(24),
    fileSize: long(32),
    memorySize: long(40),
    alignment: long(48),
  };
}

function writeProgramHeader(bytes, at, header) {
  bytes.writeUInt32LE(header.type, at);
  bytes.writeUInt32LE(header.flags, at + 4);
  const longs = ['offset', 'address', 'physical', 'fileSize', 'memorySize', 'alignment'];
  longs.forEach((name, i) => {
    bytes.writeBigUInt64LE(BigInt(header[name]), at + 8 + 8 * i);
  });
}

function readProgramHeaders(node) {
  const isElf64 = node.readUInt32BE(0) === 0x7f454c46 && node[4] === 2 && node[5] === 1;
  if (!isElf64 || node.readUInt16LE(E_PHENTSIZE) !== PROGRAM_HEADER_SIZE)
    throw new Error('Node is not a 64-bit little-endian ELF file');
  const table = Number(node.readBigUInt64LE(E_PHOFF));
  const count = node.readUInt16LE(E_PHNUM);
  return Array.from({ length: count }, (_, i) => readProgramHeader(node, table + i * PROGRAM_HEADER_SIZE));
}

/** An ELF note of type 0: sizes of name and descriptor, type, name, descriptor. */
function makeNote(descriptor) {
  const nameSize = NOTE_NAME.length + 1;
  const head = Buffer.alloc(12 + roundUp(nameSize, NOTE_ALIGNMENT));
  head.writeUInt32LE(nameSize, 0);
  head.writeUInt32LE(descriptor.length, 4);
  head.write(NOTE_NAME, 12);
  const padding = roundUp(descriptor.length, NOTE_ALIGNMENT) - descriptor.length;
  return Buffer.concat([head, descriptor, Buffer.alloc(padding)]);
}

/** The executable of `node` with the application `blob` in it. */
export function embed(node, blob) {
  const headers = readProgramHeaders(node);
  const segments = headers.filter(({ type }) => type === PT_LOAD);
  const end = name => Math.max(...segments.map(s => s[name[0]] + s[name[1]]));
  const fileEnd = end(['offset', 'fileSize']);
  const memoryEnd = end(['address', 'memorySize']);
  // Kernels before 5.18 take the table of program headers to be as far from its place in the file as the first segment is.
  const distance = segments[0].address - segments[0].offset;
  const offset = roundUp(Math.max(fileEnd, memoryEnd - distance), PAGE);
  const address = offset + distance;

  const tableSize = (headers.length + 2) * PROGRAM_HEADER_SIZE;
  const note = makeNote(blob);
  const place = (at, size) => ({
    offset: offset + at,
    address: address + at,
    physical: address + at,
    fileSize: size,
    memorySize: size,
  });
  const segment = {
    type: PT_LOAD,
    flags: PF_R,
    ...place(0, tableSize + note.length),
    alignment: PAGE,
  };
  const noteHeader = {
    type: PT_NOTE,
    flags: PF_R,
    ...place(tableSize, note.length),
    alignment: NOTE_ALIGNMENT,
  };
  const moved = headers.map(header =>
    header.type === PT_PHDR ? { ...header, ...place(0, tableSize) } : header,
  );
  // Segments stand in the order of their addresses.
  const last = headers.findLastIndex(({ type }) => type === PT_LOAD);
  moved.splice(last + 1, 0, segment);
  moved.push(noteHeader);

  const executable = Buffer.alloc(offset + tableSize + note.length);
  node.copy(executable, 0, 0, fileEnd);
  moved.forEach((header, i) => {
    writeProgramHeader(executable, offset + i * PROGRAM_HEADER_SIZE, header);
  });
  note.copy(executable, offset + tableSize);
  executable.writeBigUInt64LE(BigInt(offset), E_PHOFF);
  executable.writeUInt16LE(moved.length, E_PHNUM);
  executable.writeBigUInt64LE(0n, E_SHOFF);
  executable.writeUInt16LE(0, E_SHNUM);
  executable.writeUInt16LE(0, E_SHSTRNDX);
  blowFuse(executable.subarray(HEADER_SIZE, fileEnd - HEADER_SIZE));
  return executable;
}

function blowFuse(bytes) {
  const at = bytes.indexOf(FUSE);
  const digit = at + FUSE.length;
  if (at < 0 || bytes.indexOf(FUSE, digit) >= 0 || bytes[digit] !== 0x30)
    throw new Error('this Node takes no application');
  bytes[digit] = 0x31;
}
