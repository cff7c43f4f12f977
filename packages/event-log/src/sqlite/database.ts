/**
 * The file behind a SQLite event log: made, recognised and locked here.
 *
 * `application_id` says that a file is an event log, `user_version` which format it has. The lock is SQLite's own exclusive
 * mode: the kernel drops it with the process, however that ends, and the index of the write-ahead log then lives in memory.
 */
import { randomUUID } from 'node:crypto';
import { errorText, SignalboxError, STREAM_SUBJECTS, type StreamName } from '@signalbox/contracts';
import Database from 'better-sqlite3';

export type SqliteDatabase = Database.Database;

export const STREAM_NAMES = Object.keys(STREAM_SUBJECTS) as StreamName[];

/** "SbxL". */
const APPLICATION_ID = 0x5362784c;
const FORMAT = 1;

export function openDatabase(path: string, { mustExist = false } = {}): SqliteDatabase {
  let db: SqliteDatabase | undefined;
  try {
    db = new Database(path, { timeout: 0, fileMustExist: mustExist });
    // The lock comes first: whatever is read afterwards stays true.
    db.pragma('locking_mode = EXCLUSIVE');
    db.pragma('journal_mode = WAL');
    db.exec('BEGIN EXCLUSIVE; COMMIT');
    db.pragma('synchronous = NORMAL');
    db.pragma('wal_autocheckpoint = 4000');
    db.pragma(`journal_size_limit = ${64 * 1024 * 1024}`);
    db.pragma('cache_size = -16384');
    prepareFormat(db, path);
    return db;
  } catch (error) {
    db?.close();
    throw wrapSqliteError(error, path);
  }
}

export function readLogId(db: SqliteDatabase): string {
  return db.prepare<[], string>('SELECT id FROM log').pluck().get() ?? '';
}

/** A SignalboxError that names the file, from whatever SQLite threw. */
export function wrapSqliteError(error: unknown, path: string): SignalboxError {
  if (error instanceof SignalboxError) return error;
  const cause = { cause: error };
  const code = error instanceof Database.SqliteError ? error.code : '';
  if (code.startsWith('SQLITE_BUSY')) {
    return new SignalboxError('unavailable', `event log ${path} is in use by another process`, cause);
  }
  if (code.startsWith('SQLITE_NOTADB')) return notAnEventLog(path, cause);
  if (code.startsWith('SQLITE_CORRUPT')) {
    return new SignalboxError(
      'invalid',
      `event log ${path} is damaged: restore it, or move it away to start anew`,
      cause,
    );
  }
  if (code.startsWith('SQLITE_FULL')) return new SignalboxError('limit', `no space left for event log ${path}`, cause);
  if (code.startsWith('SQLITE_IOERR'))
    return new SignalboxError('unavailable', `cannot access event log ${path}`, cause);
  if (code.startsWith('SQLITE_CANTOPEN') || code.startsWith('SQLITE_READONLY') || error instanceof TypeError) {
    return new SignalboxError('invalid', `cannot open event log ${path}: ${errorText(error)}`, cause);
  }
  return new SignalboxError('internal', `event log ${path} failed: ${errorText(error)}`, cause);
}

function prepareFormat(db: SqliteDatabase, path: string): void {
  const applicationId = db.pragma('application_id', { simple: true });
  const isEmpty = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
  if (applicationId === 0 && isEmpty) {
    createFormat(db);
    return;
  }
  if (applicationId !== APPLICATION_ID) throw notAnEventLog(path);
  const format = Number(db.pragma('user_version', { simple: true }));
  if (format !== FORMAT) {
    const reason = `event log ${path} has format ${format}, this version of Signalbox reads format ${FORMAT}`;
    throw new SignalboxError('invalid', `${reason}: use the version that wrote it, or a new file`);
  }
  addWhatIsNew(db);
}

/** Additions that programs of the same format, which do not know them, can live with. */
function addWhatIsNew(db: SqliteDatabase): void {
  db.transaction(() => {
    const known = db.prepare<[], string>('SELECT name FROM streams').pluck().all();
    for (const name of known) {
      const columns = db.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(name);
      if (!columns.includes('headers')) db.exec(`ALTER TABLE "${name}" ADD COLUMN headers TEXT`);
    }
    for (const name of STREAM_NAMES) if (!known.includes(name)) createStream(db, name);
  })();
}

function notAnEventLog(path: string, cause?: { cause: unknown }): SignalboxError {
  return new SignalboxError('invalid', `${path} is not a Signalbox event log, or is damaged`, cause);
}

function createFormat(db: SqliteDatabase): void {
  db.transaction(() => {
    db.exec(`
      CREATE TABLE log (id TEXT NOT NULL);
      CREATE TABLE streams (
        name TEXT PRIMARY KEY,
        last_sequence INTEGER NOT NULL DEFAULT 0,
        messages INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0,
        compacted_to INTEGER NOT NULL DEFAULT 0
      ) WITHOUT ROWID;
      CREATE TABLE consumers (
        stream TEXT NOT NULL,
        name TEXT NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (stream, name)
      ) WITHOUT ROWID;
    `);
    db.prepare('INSERT INTO log (id) VALUES (?)').run(randomUUID());
    for (const name of STREAM_NAMES) createStream(db, name);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${FORMAT}`);
  })();
}

/** Documents live in a rowid table: in one WITHOUT ROWID they cost twice the writes. */
function createStream(db: SqliteDatabase, name: StreamName): void {
  db.exec(`
    CREATE TABLE "${name}" (
      sequence INTEGER PRIMARY KEY,
      subject TEXT NOT NULL UNIQUE,
      stored_at INTEGER NOT NULL,
      data TEXT,
      headers TEXT
    );
    CREATE INDEX "${name}_tombstones" ON "${name}" (stored_at) WHERE data IS NULL;
  `);
  db.prepare('INSERT INTO streams (name) VALUES (?)').run(name);
}
