/** DNS for a workload of the mesh: pure; sockets are the caller's. */
export { answer, answerAlone, isUnder, type AnswerOptions, type DnsAnswer } from './answer.ts';
export { createFrameReader, frame, type FrameReader } from './framing.ts';
export {
  answersQuestion,
  isTruncated,
  parseQuery,
  RCODE,
  truncatedReply,
  TYPE,
  udpLimit,
  withId,
  writeReply,
  type AddressRecord,
  type DnsQuery,
  type ParsedQuery,
  type Rcode,
  type Reply,
} from './message.ts';
export { buildNameTable, EMPTY_NAMES, type NameEntry, type NameTable } from './name-table.ts';
