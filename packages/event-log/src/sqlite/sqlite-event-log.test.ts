import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { entry, snapshot, tombstone, waitFor } from '../../../../test/harness/event-log-tail.ts';
import { openSqliteEventLog } from './sqlite-event-log.ts';

let folder = '';
let path = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-sqlite-log-'));
  path = join(folder, 'log.db');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the file', () => {
  test('keeps messages, sequences and the id', async () => {
    const first = openSqliteEventLog({ path });
    await first.appendAll('objects', [entry('a'), entry('b')]);
    await first.close();
    const second = openSqliteEventLog({ path });
    expect(second.id).toBe(first.id);
    expect(await second.append('objects', entry('c'))).toBe(3);
    expect(await snapshot(second)).toHaveLength(3);
    await second.close();
  });

  test('from before a stream existed gets it, and keeps the rest', async () => {
    const first = openSqliteEventLog({ path });
    await first.append('objects', entry('a'));
    await first.close();
    const db = new Database(path);
    db.exec(`DROP TABLE targets; DELETE FROM streams WHERE name = 'targets'`);
    db.close();
    const second = openSqliteEventLog({ path });
    expect(second.id).toBe(first.id);
    expect(await second.append('targets', { subject: 'targets.watermark', data: '{"revision":1}' })).toBe(1);
    expect(await snapshot(second)).toHaveLength(1);
    await second.close();
  });

  test('each log in memory is one of its own', async () => {
    const logs = [openSqliteEventLog({ path: ':memory:' }), openSqliteEventLog({ path: ':memory:' })];
    expect(new Set(logs.map(({ id }) => id)).size).toBe(2);
    for (const log of logs) {
      expect(await log.append('objects', entry('a'))).toBe(1);
      await log.close();
    }
  });

  test('is refused to a second log, by name, until the first is closed', async () => {
    const first = openSqliteEventLog({ path });
    expect(() => openSqliteEventLog({ path })).toThrow(expect.objectContaining({ code: 'unavailable' }));
    expect(() => openSqliteEventLog({ path })).toThrow(`${path} is in use by another process`);
    await first.append('objects', entry('a'));
    await first.close();
    await openSqliteEventLog({ path }).close();
  });

  test('is free again when the process that had it was killed, with all that was appended', async () => {
    const log = openSqliteEventLog({ path });
    await log.append('objects', entry('a'));
    await log.close();
    const holder = await holdOpen(path);
    expect(() => openSqliteEventLog({ path })).toThrow(path);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const again = openSqliteEventLog({ path });
    expect(await again.last('objects', 'objects.a')).toMatchObject({ sequence: 1 });
    expect(await again.info('status')).toMatchObject({ lastSequence: 0 });
    await again.close();
  });
});

describe('a file that is no event log of this version', () => {
  test('of other content is refused by name, and left as it is', async () => {
    await writeFile(path, 'not a database, and long enough to be looked at as a header '.repeat(20));
    const before = await readFile(path);
    expect(() => openSqliteEventLog({ path })).toThrow(`${path} is not a Signalbox event log`);
    expect(await readFile(path)).toEqual(before);
  });

  test('of another program is refused by name', () => {
    const other = new Database(path);
    other.exec('CREATE TABLE t (x)');
    other.close();
    expect(() => openSqliteEventLog({ path })).toThrow(`${path} is not a Signalbox event log`);
  });

  test('of a newer format is refused by name and number', async () => {
    await openSqliteEventLog({ path }).close();
    const newer = new Database(path);
    newer.pragma('user_version = 7');
    newer.close();
    expect(() => openSqliteEventLog({ path })).toThrow(
      `${path} has format 7, this version of Signalbox reads format 1`,
    );
  });

  test('that is damaged inside is reported by name', async () => {
    const log = openSqliteEventLog({ path });
    await log.appendAll(
      'objects',
      Array.from({ length: 500 }, (_, i) => entry(`s${i}`, 'x'.repeat(3000))),
    );
    await log.close();
    const bytes = await readFile(path);
    bytes.fill(0xff, 40_960);
    await writeFile(path, bytes);
    const damaged = openSqliteEventLog({ path });
    await expect(snapshot(damaged)).rejects.toThrow(`event log ${path} is damaged`);
    await damaged.close();
  });

  test('in a folder that is not there is refused by name', () => {
    const nowhere = join(folder, 'no', 'log.db');
    expect(() => openSqliteEventLog({ path: nowhere })).toThrow(nowhere);
  });
});

describe('appends without a pause', () => {
  test('leave turns to timers', async () => {
    const log = openSqliteEventLog({ path });
    const due = new AbortController();
    const timer = setTimeout(() => due.abort(), 20);
    const { signal } = due;
    for (let i = 0; !signal.aborted && i < 100_000; i += 1) await log.append('objects', entry('a', i));
    expect(signal.aborted).toBe(true);
    clearTimeout(timer);
    await log.close();
  });

  test('of one call are all stored or none', async () => {
    const log = openSqliteEventLog({ path, maxBytes: 10_000 });
    const entries = Array.from({ length: 20 }, (_, i) => entry(`s${i}`, 'x'.repeat(1000)));
    await expect(log.appendAll('objects', entries)).rejects.toMatchObject({ code: 'limit' });
    expect(await log.info('objects')).toEqual({ lastSequence: 0, messages: 0, bytes: 0, compactedTo: 0 });
    expect(await snapshot(log)).toEqual([]);
    await log.close();
  });
});

test('a log above a limit that was lowered takes what makes it smaller', async () => {
  const log = openSqliteEventLog({ path });
  await log.appendAll('objects', [entry('a', 'x'.repeat(3000)), entry('b', 'x'.repeat(3000))]);
  await log.close();
  const lowered = openSqliteEventLog({ path, maxBytes: 1000 });
  await expect(lowered.append('objects', entry('c'))).rejects.toMatchObject({ code: 'limit' });
  await lowered.appendAll('objects', [tombstone('a'), entry('b', 'small')]);
  await lowered.append('objects', entry('c'));
  await lowered.close();
});

/** Another process that writes to the file as an open log does, and then sits on it. */
async function holdOpen(path: string): Promise<ChildProcess> {
  const script = `
    const db = new (require(${JSON.stringify(createRequire(import.meta.url).resolve('better-sqlite3'))}))(process.argv[1]);
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec("BEGIN EXCLUSIVE; UPDATE streams SET last_sequence = 9 WHERE name = 'status'; COMMIT");
    db.exec("BEGIN; UPDATE streams SET last_sequence = 0 WHERE name = 'status'; COMMIT");
    console.log('locked');
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await waitFor('the other process to have the file', () => output.includes('locked'));
  return child;
}
