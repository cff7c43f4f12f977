export { type AnswerFlags, type AnswerSettings, answerOptions, readAnswerSettings } from './answer-options.ts';
export { type DnsServer, type DnsServerOptions, startDnsServer } from './dns-server.ts';
export type { TransferSettings } from './transfer/start-transfers.ts';
export { readTransferSettings, type TransferFlags, transferOptions } from './transfer/transfer-options.ts';
