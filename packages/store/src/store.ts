/**
 * One SQLite file. Queries are built and typed with Kysely, and run at once on better-sqlite3: a request that reads
 * several tables sees one state, because nothing can be written between two synchronous reads.
 */
import { errorText, SignalboxError } from '@signalbox/contracts';
import Database from 'better-sqlite3';
import { type Compilable, Kysely, SqliteDialect } from 'kysely';
import type { Schema } from './schema.ts';

/** Texts of queries are few (they differ by which filters are set); this bounds what a mistake could cost. */
const MAX_STATEMENTS = 500;

export class Store {
  readonly path: string;
  /** Builds queries; migrations alone run through it. */
  readonly builder: Kysely<Schema>;
  /** For the writers' prepared statements; not exported from the package. */
  readonly sqlite: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  constructor(path: string, sqlite: Database.Database) {
    this.path = path;
    this.sqlite = sqlite;
    this.builder = new Kysely<Schema>({ dialect: new SqliteDialect({ database: sqlite }) });
  }

  all<Row>(query: Compilable<Row>): Row[] {
    const { sql, parameters } = query.compile();
    return this.#guard(() => this.#prepare(sql).all(...parameters) as Row[]);
  }

  first<Row>(query: Compilable<Row>): Row | undefined {
    const { sql, parameters } = query.compile();
    return this.firstOf(sql, parameters) as Row | undefined;
  }

  /** The first row of a query that is compiled already. */
  firstOf(sql: string, parameters: readonly unknown[]): unknown {
    return this.#guard(() => this.#prepare(sql).get(...parameters));
  }

  /** Returns the number of rows changed. */
  run(query: Compilable): number {
    const { sql, parameters } = query.compile();
    return this.#guard(() => this.#prepare(sql).run(...parameters).changes);
  }

  /** All of `work` is stored, or nothing. */
  transaction<Result>(work: () => Result): Result {
    return this.#guard(() => this.sqlite.transaction(work).immediate());
  }

  /** Idempotent. */
  close(): void {
    this.#statements.clear();
    this.sqlite.close();
  }

  #prepare(sql: string): Database.Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
    const statement = this.sqlite.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #guard<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw storeError(error, this.path);
    }
  }
}

/** Of a file that cannot be opened: as `storeError`, and everything else is named with the file too. */
export function openingError(error: unknown, path: string): unknown {
  const known = storeError(error, path);
  if (known !== error) return known;
  return new SignalboxError('unavailable', `cannot open the store ${path}: ${errorText(error)}`, { cause: error });
}

/** Damage, a full disk and locks named with the file and the way out; anything else unchanged. */
export function storeError(error: unknown, path: string): unknown {
  const code = error instanceof Database.SqliteError ? error.code : '';
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return new SignalboxError(
      'internal',
      `the store ${path} is damaged or not a store (${errorText(error)}); delete the file and start again: it is rebuilt from the event log`,
      { cause: error },
    );
  }
  if (code.startsWith('SQLITE_FULL') || code.startsWith('SQLITE_IOERR')) {
    return new SignalboxError('limit', `the store ${path} cannot be written: ${errorText(error)}`, { cause: error });
  }
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN')) {
    return new SignalboxError('unavailable', `the store ${path} cannot be used: ${errorText(error)}`, { cause: error });
  }
  return error;
}
