/** Changes to a packet such as a broken, or a cunning, sender would make. */
import { oneOf, type Random } from './random.ts';

/** Longest packet made: some sizes of fragments are passed, and copying stays cheap. */
const MAX_BYTES = 4096;
const BOUNDARIES = [0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff, 0x100, 0x1ff, 0x7fff, 0x8000, 0xc00c, 0xffff];

const CHANGES: readonly ((packet: Uint8Array, random: Random) => Uint8Array)[] = [
  (packet, random) => packet.slice(0, random(packet.length + 1)),
  (packet, random) => inserted(packet, random, [random(256)]),
  (packet, random) => overwritten(packet, random, [random(256)]),
  (packet, random) => flipped(packet, random),
  (packet, random) => overwritten(packet, random, uint16(oneOf(random, BOUNDARIES))),
  (packet, random) => overwritten(packet, random, uint16(0xc000 | random(packet.length + 1))),
  // One of the counts in the header.
  (packet, random) => written(packet, 4 + 2 * random(4), uint16(oneOf(random, BOUNDARIES))),
  (packet, random) => inserted(packet, random, piece(packet, random)),
  (packet, random) => overwritten(packet, random, piece(packet, random)),
  (packet, random) => removed(packet, random),
];

/** One time in four the packet itself, else with one change to three. */
export function mutated(packet: Uint8Array, random: Random): Uint8Array {
  let changed = packet;
  for (let left = random(4); left > 0; left -= 1) changed = oneOf(random, CHANGES)(changed, random);
  return changed.subarray(0, MAX_BYTES);
}

function flipped(packet: Uint8Array, random: Random): Uint8Array {
  const at = random(packet.length);
  return written(packet, at, [(packet[at] ?? 0) ^ (1 << random(8))]);
}

function overwritten(packet: Uint8Array, random: Random, values: ArrayLike<number>): Uint8Array {
  return written(packet, random(packet.length), values);
}

/** What would lie behind the end is left out. */
function written(packet: Uint8Array, at: number, values: ArrayLike<number>): Uint8Array {
  const copy = Uint8Array.from(packet);
  for (let index = 0; index < values.length && at + index < copy.length; index += 1) {
    copy[at + index] = values[index] ?? 0;
  }
  return copy;
}

function inserted(packet: Uint8Array, random: Random, values: ArrayLike<number>): Uint8Array {
  const at = random(packet.length + 1);
  const longer = new Uint8Array(packet.length + values.length);
  longer.set(packet.subarray(0, at));
  longer.set(values, at);
  longer.set(packet.subarray(at), at + values.length);
  return longer;
}

function removed(packet: Uint8Array, random: Random): Uint8Array {
  const at = random(packet.length + 1);
  return Uint8Array.from([...packet.subarray(0, at), ...packet.subarray(at + 1 + random(8))]);
}

function piece(packet: Uint8Array, random: Random): Uint8Array {
  const start = random(packet.length + 1);
  return packet.subarray(start, start + random(64));
}

function uint16(value: number): number[] {
  return [value >> 8, value & 0xff];
}
