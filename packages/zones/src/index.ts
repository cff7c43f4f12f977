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
export { zoneFileText } from './zone-file-text.ts';
export { type IndexedCluster, ZoneIndex } from './zone-index.ts';
