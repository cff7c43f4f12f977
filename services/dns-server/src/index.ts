export { type AnswerFlags, type AnswerSettings, answerOptions, readAnswerSettings } from './answer-options.ts';
export { type DnsServer, startDnsServer } from './dns-server.ts';
export type { DnsServerOptions } from './dns-server-options.ts';
export type { TransferSettings } from './transfer/start-transfers.ts';
export { readTransferSettings, type TransferFlags, transferOptions } from './transfer/transfer-options.ts';
