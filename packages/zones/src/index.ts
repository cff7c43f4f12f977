export type { Answer, AnswerCode } from './answer-question.ts';
export { assembleZones, type Zone } from './assemble-zones.ts';
export { compileRecordSet } from './compile-record-set.ts';
export { encodeAnswer, encodeFollowedAnswer } from './encode-answer.ts';
export { checkIntent, type IntentProblem, intentsInZone } from './intents/check-intent.ts';
export { compileIntent } from './intents/compile-intent.ts';
export {
  HEADER_BYTES,
  MessageWriter,
  type ResponseHeader,
  TYPE_NUMBERS,
  type WriterOptions,
} from './message-writer.ts';
export { isBelowOrEqual } from './names.ts';
export { podLabel } from './pod-addresses.ts';
export { POD_MODES, type PodMode } from './pod-names.ts';
export {
  compileResolvConf,
  DNS_POLICIES,
  type DnsPolicy,
  type PodDns,
} from './pod-view/compile-resolv-conf.ts';
export { compileServiceEnv, type ServiceEnv } from './pod-view/compile-service-env.ts';
export { parseResolvConf, type ResolvConf, resolvConfText } from './pod-view/resolv-conf.ts';
export { resolveName } from './pod-view/resolve-name.ts';
export { type RecordGroup, recordData } from './records.ts';
export type { IndexedCluster } from './served-zones.ts';
export * from './transfer/index.ts';
export { TYPE_NAMES } from './type-names.ts';
export { AnswerCache, type KeptAnswer } from './wire/answer-cache.ts';
export { WireQuestion } from './wire/wire-question.ts';
export { skipWireName, uint16, wireRecords } from './wire/wire-records.ts';
export { zoneFileText } from './zone-file-text.ts';
export { ZoneIndex } from './zone-index.ts';
