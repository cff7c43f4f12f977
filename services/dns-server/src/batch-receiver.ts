/** UDP by batches. See `@signalbox/udp-batch`. */
import { addressOf, type BatchPacket, type Native, UdpBatch, type UdpBatchOptions } from '@signalbox/udp-batch';
import type { Peer, UdpAnswers, UdpReceiver } from './udp-receiver.ts';

/** Longer answers are copied once more. */
const ANSWER_BYTES = 1232;

export function openBatchReceiver(
  native: Native,
  { bind }: Pick<UdpBatchOptions, 'bind'>,
  answers: UdpAnswers,
): UdpReceiver {
  const send = (peer: Peer, message: Uint8Array | undefined) => {
    if (message !== undefined && peer.raw !== undefined) batch.send(peer.raw, message);
  };
  const answer = (packet: Uint8Array, peer: Peer) => {
    // Port 0 cannot be answered.
    if (peer.port === 0) return;
    const message = answers.answer(packet, peer);
    if (message instanceof Promise) void message.then((late) => send(peer, late));
    else send(peer, message);
  };
  const onPacket = ({ data, length, answer: target, peer }: BatchPacket) => {
    const quick = answers.quick?.(data, length, target) ?? 0;
    if (quick === 0)
      answer(Uint8Array.prototype.slice.call(data, 0, length), { ...addressOf(peer), raw: copyOf(peer) });
    return quick;
  };
  const batch = new UdpBatch(native, { bind, answerBytes: ANSWER_BYTES, onPacket });
  return {
    kind: 'batch',
    port: batch.port,
    shared: { descriptor: batch.descriptor },
    answer,
    onError: () => {},
    close: async () => batch.close(),
  };
}

/** What is not answered at once outlives its place in the batch. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes);
}
