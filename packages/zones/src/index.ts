export type { Answer, AnswerCode } from './answer-question.ts';
export { assembleZones, type Zone } from './assemble-zones.ts';
export { compileRecordSet } from './compile-record-set.ts';
export { encodeAnswer } from './encode-answer.ts';
export {
  HEADER_BYTES,
  MessageWriter,
  type ResponseHeader,
  TYPE_NUMBERS,
  type WriterOptions,
} from './message-writer.ts';
export { isBelowOrEqual } from './names.ts';
export type { RecordGroup } from './records.ts';
export * from './transfer/index.ts';
export { TYPE_NAMES } from './type-names.ts';
export { AnswerCache, type KeptAnswer } from './wire/answer-cache.ts';
export { WireQuestion } from './wire/wire-question.ts';
export { skipWireName, uint16, wireRecords } from './wire/wire-records.ts';
export { zoneFileText } from './zone-file-text.ts';
export { type IndexedCluster, ZoneIndex } from './zone-index.ts';
