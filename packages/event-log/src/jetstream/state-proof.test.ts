import { expect, test } from 'vitest';
import { StateProof } from './state-proof.ts';

function receive(proof: StateProof, ...sequences: number[]) {
  return sequences.map((sequence) => proof.receive(sequence, false)).map((place) => proof.isState(place));
}

test('what follows without a gap is a state of the stream at each message', () => {
  expect(receive(new StateProof(0), 1, 2, 3)).toEqual([true, true, true]);
});

test('after a gap nothing is, until the end that was told is reached without another gap', () => {
  const proof = new StateProof(3);
  expect(receive(proof, 4, 6, 7)).toEqual([true, false, false]);
  proof.tell(7, 9);
  expect(receive(proof, 8, 9, 10)).toEqual([false, true, true]);
});

test('a gap after the question makes its answer worthless', () => {
  const proof = new StateProof(0);
  receive(proof, 2);
  proof.tell(2, 4);
  expect(proof.isRunUnbroken).toBe(true);
  expect(receive(proof, 4, 5)).toEqual([false, false]);
  expect(proof.isRunUnbroken).toBe(false);
});

test('a message is a state when the stream was asked after it, and ended with it', () => {
  const proof = new StateProof(0);
  const place = proof.receive(5, false);
  expect(proof.isState(place)).toBe(false);
  proof.tell(5, 5);
  expect(proof.isState(place)).toBe(true);
});

test('it is known that a state is among what was received and not read yet', () => {
  const proof = new StateProof(0);
  receive(proof, 5, 6);
  expect(proof.hasStateAfter(0)).toBe(false);
  proof.tell(6, 7);
  receive(proof, 7, 9);
  expect([proof.hasStateAfter(6), proof.hasStateAfter(7)]).toEqual([true, false]);
});
