/** Which way UDP is received, and its socket. */
import { loadNative } from '@signalbox/udp-batch';
import { openBatchReceiver } from './batch-receiver.ts';
import { openDgramReceiver } from './dgram-receiver.ts';
import type { ListenAddress } from './transport.ts';
import type { ReceiverKind, UdpAnswers, UdpReceiver } from './udp-receiver.ts';

/** Rejects with what the system says when it cannot be bound. */
export async function openUdpReceiver(
  kind: ReceiverKind,
  where: ListenAddress,
  answers: UdpAnswers,
): Promise<UdpReceiver> {
  const native = kind === 'batch' ? loadNative() : undefined;
  return typeof native === 'object'
    ? openBatchReceiver(native, { bind: where }, answers)
    : await openDgramReceiver(where, answers);
}

/** What there is, and why it is not the faster one. */
export function chooseReceiver(wanted: ReceiverKind = 'batch'): { kind: ReceiverKind; reason?: string } {
  if (wanted === 'dgram') return { kind: 'dgram' };
  const native = loadNative();
  return typeof native === 'string' ? { kind: 'dgram', reason: native } : { kind: 'batch' };
}
