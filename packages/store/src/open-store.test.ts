import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrationProvider } from '@signalbox/migrations';
import Database from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStore } from './open-store.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-store-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function schemaOf(path: string): unknown {
  const sqlite = new Database(path, { readonly: true });
  const schema = sqlite.prepare('select name, sql from sqlite_schema order by name').all();
  const applied = sqlite.prepare('select * from kysely_migration order by name').all();
  sqlite.close();
  return { schema, applied };
}

test('an empty file is brought to the latest schema, and opening it again changes nothing', async () => {
  const path = join(folder, 'deep', 'store.db');
  (await openStore({ path })).close();
  const first = schemaOf(path);
  (await openStore({ path })).close();
  expect(schemaOf(path)).toEqual(first);
  expect(JSON.stringify(first)).toContain('document_versions');
});

test('every step is applied in the order of its number', async () => {
  const names = Object.keys(await migrationProvider.getMigrations());
  expect(names).toEqual([...names].sort());
  expect(names.every((name) => /^\d{4}-[a-z-]+$/.test(name))).toBe(true);
});

test('what a store of an older step holds survives the later steps', async () => {
  const path = join(folder, 'store.db');
  const sqlite = new Database(path);
  const builder = new Kysely<unknown>({ dialect: new SqliteDialect({ database: sqlite }) });
  const migrator = new Migrator({ db: builder, provider: migrationProvider });
  const { error } = await migrator.migrateTo('0001-read-model');
  expect(error).toBeUndefined();
  sqlite.prepare(`insert into contents (id, data) values (7, '{"kept":true}')`).run();
  sqlite.prepare(`insert into object_versions values ('Node', 'c', '', 'n', 'all', 3, 9007199254740991, 7)`).run();
  sqlite.prepare(`insert into document_versions values ('dns', 'c', 'n', 's', 3, 9007199254740990, 7)`).run();
  sqlite.prepare(`insert into watermarks values ('dns', 4, 0)`).run();
  await builder.destroy();

  const store = await openStore({ path });
  expect(store.sqlite.prepare('select from_revision from object_versions').pluck().all()).toEqual([3]);
  expect(store.sqlite.prepare('select to_revision from document_versions').pluck().all()).toEqual([5]);
  expect(store.sqlite.prepare('select data from contents').pluck().all()).toEqual(['{"kept":true}']);
  expect(store.sqlite.prepare('select count(*) from changes').pluck().get()).toBe(0);
  store.close();
});

test('a store of a newer program is refused, and left as it is', async () => {
  const path = join(folder, 'store.db');
  (await openStore({ path })).close();
  const sqlite = new Database(path);
  sqlite.prepare(`insert into kysely_migration values ('9999-from-the-future', '2030-01-01')`).run();
  sqlite.close();
  const before = schemaOf(path);
  await expect(openStore({ path })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringMatching(/store\.db.*newer.*9999-from-the-future.*0007-counted-revisions/),
  });
  expect(schemaOf(path)).toEqual(before);
});

test('a file that is no store is named, with the way out', async () => {
  const path = join(folder, 'store.db');
  writeFileSync(path, 'this is not a database at all, but it is long enough to have a header'.repeat(20));
  await expect(openStore({ path })).rejects.toMatchObject({
    name: 'SignalboxError',
    message: expect.stringMatching(/store\.db.*delete the file.*rebuilt from the event log/),
  });
});

test('a damaged store is named when the damage is met', async () => {
  const path = join(folder, 'store.db');
  const store = await openStore({ path });
  for (let i = 0; i < 500; i += 1)
    store.sqlite.prepare('insert into contents (data) values (?)').run('x'.repeat(3_000));
  store.close();
  const damaged = join(folder, 'damaged.db');
  copyFileSync(path, damaged);
  const sqlite = new Database(damaged);
  const pageSize = sqlite.pragma('page_size', { simple: true }) as number;
  const pages = sqlite.pragma('page_count', { simple: true }) as number;
  sqlite.close();
  damagePages(damaged, { pageSize, from: Math.floor(pages / 3), to: pages });
  const again = await openStore({ path: damaged });
  const readAll = () => again.all(again.builder.selectFrom('contents').selectAll());
  expect(readAll).toThrow(/damaged\.db is damaged.*delete the file/);
  again.close();
});

test('a folder that cannot be made is named', async () => {
  writeFileSync(join(folder, 'file'), '');
  const path = join(folder, 'file', 'store.db');
  await expect(openStore({ path })).rejects.toMatchObject({ message: expect.stringContaining(path) });
});

function damagePages(path: string, { pageSize, from, to }: { pageSize: number; from: number; to: number }): void {
  const bytes = readFileSync(path);
  bytes.fill(0xa5, from * pageSize, to * pageSize);
  writeFileSync(path, bytes);
}
