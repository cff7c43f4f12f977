import { derivedSubject, watermarkSubject } from '@signalbox/contracts';
import { expect, test } from 'vitest';
import { LateWatermarks } from './late-watermarks.ts';

const message = (subject: string, revision: number | null) => ({
  subject,
  sequence: 1,
  storedAtMs: 0,
  data: revision === null ? null : JSON.stringify({ revision }),
});
const document = (revision: number | null) =>
  message(derivedSubject('dns', { cluster: 'c', namespace: 'n', name: 's' }), revision);
const watermark = (revision: number) => message(watermarkSubject('dns'), revision);

test('a watermark below a document that came late never counts; the next one that covers it does', () => {
  const late = new LateWatermarks();
  late.noteDocument(document(16));
  late.noteDocument(document(null));
  late.put(watermark(15));
  expect(late.takeDue()).toEqual([]);
  late.put(watermark(16));
  expect(late.takeDue()).toEqual([watermark(16)]);
  late.put(watermark(15));
  expect(late.takeDue()).toEqual([watermark(15)]);
});

test('what one layer waits for is nothing to another', () => {
  const late = new LateWatermarks();
  late.noteDocument(document(16));
  const other = message(watermarkSubject('lb'), 15);
  late.put(other);
  expect(late.takeDue()).toEqual([other]);
});
