import { describe, expect, test } from 'vitest';
import { brief, entry, snapshot, tombstone } from '../../../../test/harness/event-log-tail.ts';
import { describeEachLog } from '../../../../test/harness/event-logs.ts';

describeEachLog((adapter) => {
  describe('append', () => {
    test('gives rising sequences from 1 and keeps the last value of a subject', async () => {
      const { log } = await adapter.open();
      expect(await log.append('objects', entry('a', 1))).toBe(1);
      expect(await log.append('objects', entry('b', 1))).toBe(2);
      expect(await log.append('objects', entry('a', 2))).toBe(3);
      expect(await log.last('objects', 'objects.a')).toMatchObject({ sequence: 3, data: '2' });
      expect(brief(await snapshot(log))).toEqual([
        ['b', 1],
        ['a', 2],
      ]);
      expect(await log.info('objects')).toMatchObject({ lastSequence: 3, messages: 2, compactedTo: 0 });
    });

    test('tells when a message was stored', async () => {
      const { log } = await adapter.open();
      const beforeMs = Date.now();
      await log.append('objects', entry('a'));
      const message = await log.last('objects', 'objects.a');
      expect(message?.storedAtMs).toBeGreaterThanOrEqual(beforeMs - 1);
      expect(message?.storedAtMs).toBeLessThanOrEqual(Date.now() + 1);
    });

    test('a subject without a message has no last one, one with a tombstone has it', async () => {
      const { log } = await adapter.open();
      expect(await log.last('objects', 'objects.a')).toBeUndefined();
      await log.append('objects', entry('a'));
      await log.append('objects', tombstone('a'));
      expect(await log.last('objects', 'objects.a')).toMatchObject({ sequence: 2, data: null });
    });

    test('streams count and keep their messages apart', async () => {
      const { log } = await adapter.open();
      await log.append('objects', entry('a'));
      expect(await log.append('status', { subject: 'status.a', data: '1' })).toBe(1);
      expect(await log.append('derived', { subject: 'watermarks.dns', data: '1' })).toBe(1);
      expect(await log.append('derived', { subject: 'derived.dns.a', data: '2' })).toBe(2);
      expect(await log.last('derived', 'objects.a')).toBeUndefined();
    });

    test.for([
      { name: 'the subject of another stream', subject: 'derived.a', data: '1' },
      { name: 'a wildcard', subject: 'objects.*', data: '1' },
      { name: 'an empty token', subject: 'objects..a', data: '1' },
      { name: 'a space', subject: 'objects.a b', data: '1' },
      { name: 'data that would be a tombstone', subject: 'objects.a', data: '' },
    ])('refuses $name', async ({ subject, data }) => {
      const { log } = await adapter.open();
      await expect(log.append('objects', { subject, data })).rejects.toMatchObject({ code: 'invalid' });
      await expect(log.appendAll('objects', [{ subject, data }])).rejects.toMatchObject({ code: 'invalid' });
      expect(await log.info('objects')).toMatchObject({ lastSequence: 0 });
    });

    test('keeps text as it is, beyond ASCII too', async () => {
      const { log } = await adapter.open();
      const data = JSON.stringify({ text: 'käse ☃ 𝄞\u0000\n' });
      await log.append('objects', { subject: 'objects.%C3%A4', data });
      expect((await log.last('objects', 'objects.%C3%A4'))?.data).toBe(data);
      expect((await snapshot(log))[0]).toMatchObject({ subject: 'objects.%C3%A4', data });
    });
  });

  describe('append with an expected sequence', () => {
    test('stores when the subject is there, else conflicts and stores nothing', async () => {
      const { log } = await adapter.open();
      await log.append('objects', entry('other'));
      const first = await log.append('objects', { ...entry('a', 1), expectedSequence: 0 });
      const second = await log.append('objects', { ...entry('a', 2), expectedSequence: first });
      for (const expectedSequence of [0, first, second + 1]) {
        const append = log.append('objects', { ...entry('a', 3), expectedSequence });
        await expect(append).rejects.toMatchObject({ code: 'conflict' });
      }
      expect(await log.last('objects', 'objects.a')).toMatchObject({ sequence: second, data: '2' });
    });

    test('a tombstone counts as a message', async () => {
      const { log } = await adapter.open();
      await log.append('objects', entry('a'));
      const deleted = await log.append('objects', tombstone('a'));
      await expect(log.append('objects', { ...entry('a'), expectedSequence: 0 })).rejects.toMatchObject({
        code: 'conflict',
      });
      expect(await log.append('objects', { ...entry('a'), expectedSequence: deleted })).toBe(deleted + 1);
    });

    test('of many at the same time, one wins', async () => {
      const { log } = await adapter.open();
      const tries = Array.from({ length: 20 }, (_, i) =>
        log.append('objects', { ...entry('a', i), expectedSequence: 0 }),
      );
      const results = await Promise.allSettled(tries);
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });
  });

  describe('appendAll with expected sequences', () => {
    test('stores when all are met; when one is not, the call conflicts and that one is not stored', async () => {
      const { log } = await adapter.open();
      const [a = 0] = await log.appendAll('objects', [entry('a', 1), entry('b', 1)]);
      const [next = 0] = await log.appendAll('objects', [{ ...entry('a', 2), expectedSequence: a }, entry('c', 1)]);
      const mixed = [
        { ...entry('a', 3), expectedSequence: a },
        { ...entry('d', 1), expectedSequence: 0 },
      ];
      await expect(log.appendAll('objects', mixed)).rejects.toMatchObject({ code: 'conflict' });
      expect(await log.last('objects', 'objects.a')).toMatchObject({ sequence: next, data: '2' });
      await expect(log.append('objects', { ...entry('e'), expectedSequence: 0 })).resolves.toBeGreaterThan(next);
    });
  });

  describe('headers', () => {
    const headers = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'x-more': 'a b' };

    test('come with the message, also of tombstones and beside an expected sequence', async () => {
      const { log } = await adapter.open();
      await log.append('objects', { ...entry('a'), headers, expectedSequence: 0 });
      await log.appendAll('objects', [{ ...tombstone('b'), headers }, entry('c')]);
      const kept = await snapshot(log);
      expect(kept.map((message) => message.headers)).toEqual([headers, headers, undefined]);
      expect(kept[1]?.data).toBe(null);
      expect((await log.last('objects', 'objects.a'))?.headers).toEqual(headers);
      expect(Object.keys((await log.last('objects', 'objects.c')) ?? {})).not.toContain('headers');
    });

    test.for([{ 'Nats-Rollup': 'all' }, { 'nats-x': 'a' }, { a: 'two\nlines' }, { a: '' }])(
      '%j is refused',
      async (bad) => {
        const { log } = await adapter.open();
        await expect(log.append('objects', { ...entry('a'), headers: bad })).rejects.toMatchObject({ code: 'invalid' });
      },
    );
  });

  describe('appendAll', () => {
    test('stores in order and returns the sequence of each', async () => {
      const { log } = await adapter.open();
      const entries = Array.from({ length: 5000 }, (_, i) => entry(`s${i % 3000}`, i));
      const sequences = await log.appendAll('objects', entries);
      expect(sequences).toEqual(entries.map((_, i) => i + 1));
      const kept = await snapshot(log);
      expect(kept).toHaveLength(3000);
      expect(brief(kept)).toEqual(brief(entries.slice(2000).map(asMessage)));
    });

    test('calls under way at the same time keep their order', async () => {
      const { log } = await adapter.open();
      const lists = Array.from({ length: 4 }, (_, k) => Array.from({ length: 700 }, (_, i) => entry(`s${i}`, [k, i])));
      const sequences = await Promise.all(lists.map((list) => log.appendAll('objects', list)));
      expect(sequences.flat()).toEqual(Array.from({ length: 2800 }, (_, i) => i + 1));
      // A copy of the stream that is still behind gives what was replaced as well, before what has replaced it.
      const state = Object.fromEntries(brief(await snapshot(log)));
      expect(state).toEqual(Object.fromEntries(Array.from({ length: 700 }, (_, i) => [`s${i}`, [3, i]])));
    });

    test('of nothing gives nothing', async () => {
      const { log } = await adapter.open();
      expect(await log.appendAll('objects', [])).toEqual([]);
    });
  });

  describe('a full stream', () => {
    const maxBytes = 64 * 1024;
    const large = 'x'.repeat(8000);

    test('refuses what does not fit, keeps what it has, takes tombstones, and goes on when there is room', async () => {
      const { log } = await adapter.open({ maxBytes });
      const stored: string[] = [];
      const fill = async () => {
        for (let i = 0; ; i += 1) {
          await log.append('objects', entry(`s${i}`, large));
          stored.push(`s${i}`);
        }
      };
      await expect(fill()).rejects.toMatchObject({ code: 'limit' });
      expect(stored.length).toBeGreaterThan(4);
      expect((await snapshot(log)).map(({ subject }) => subject)).toEqual(stored.map((name) => `objects.${name}`));
      await log.append('objects', tombstone('s0'));
      await log.append('objects', entry('new', large));
      expect(await log.last('objects', 'objects.new')).toBeDefined();
    });

    test('refuses the call that overflows it, and can be written again', async () => {
      const { log } = await adapter.open({ maxBytes });
      const entries = Array.from({ length: 40 }, (_, i) => entry(`s${i}`, large));
      await expect(log.appendAll('objects', entries)).rejects.toMatchObject({ code: 'limit' });
      await log.append('objects', entry('s0', 'small'));
      expect(await log.last('objects', 'objects.s0')).toMatchObject({ data: '"small"' });
    });
  });
});

function asMessage({ subject, data }: { subject: string; data: string | null }) {
  return { subject, data, sequence: 0, storedAtMs: 0 };
}
