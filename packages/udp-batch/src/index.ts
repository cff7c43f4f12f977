export { loadNative, type Native } from './native.ts';
export { addressOf, type BatchPacket, UdpBatch, type UdpBatchOptions } from './udp-batch.ts';
