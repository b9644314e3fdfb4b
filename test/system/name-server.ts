/**
 * A name server: `name-server.js ADDRESS ANSWER` answers every question for an IPv4 address with ANSWER, any other question with
 * nothing, and prints the name that was asked for (RFC 1035 section 4).
 */
import { createSocket } from 'node:dgram';

const HEADER = 12;
const TYPE_A = 1;
const CLASS_IN = 1;
const TTL_SECONDS = 1;

const [address = '', answer = ''] = process.argv.slice(2);
const socket = createSocket('udp4');
socket.on('message', (query, { port, address: asker }) => {
  const labels: string[] = [];
  let offset = HEADER;
  for (let length = query.readUInt8(offset); length > 0; length = query.readUInt8(offset)) {
    labels.push(query.toString('latin1', offset + 1, offset + 1 + length));
    offset += 1 + length;
  }
  const isAddress = query.readUInt16BE(offset + 1) === TYPE_A;
  const question = query.subarray(HEADER, offset + 5);
  // A response, recursion available, no error; one question, one or no answer.
  const header = Buffer.from([0, 0, 0x81, 0x80, 0, 1, 0, isAddress ? 1 : 0, 0, 0, 0, 0]);
  query.copy(header, 0, 0, 2);
  // The name is that of the question, by a pointer to it.
  const record = Buffer.alloc(16);
  record.writeUInt16BE(0xc000 | HEADER, 0);
  record.writeUInt16BE(TYPE_A, 2);
  record.writeUInt16BE(CLASS_IN, 4);
  record.writeUInt32BE(TTL_SECONDS, 6);
  record.writeUInt16BE(4, 10);
  record.set(answer.split('.').map(Number), 12);
  if (isAddress) console.log(labels.join('.'));
  socket.send(Buffer.concat([header, question, ...(isAddress ? [record] : [])]), port, asker);
});
socket.bind(53, address, () => console.log('listening'));
