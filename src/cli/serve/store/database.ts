/**
 * An SQLite database of one file (libsql, SQLite 3.45). It has a write-ahead log that is flushed to the disk at each commit
 * (https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous), so that other processes read while one writes,
 * and what was committed outlives the process and the machine.
 */
import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type Libsql from 'libsql';
import { CapacityError, FormatError } from '../../../tensor/errors.ts';
import { makeFolder } from '../../../node/make-folder.ts';
import { checkTables, migrate } from './migrate.ts';

export type SqlValue = string | number | null | Uint8Array;
export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface Database {
  rows(sql: string, ...values: readonly SqlValue[]): readonly SqlRow[];
  /** Inside a {@link write} only. @returns how many rows it changed */
  change(sql: string, ...values: readonly SqlValue[]): number;
  /**
   * Runs changes with those that are asked for in the same turn of the event loop, in one transaction: one flush serves them all.
   * @returns what `work` returns, when it is durable
   * @throws what `work` throws, of which nothing is kept then; or the database's own error
   */
  write<Result>(work: () => Result): Promise<Result>;
  /** Writes what is still asked for. */
  close(): Promise<void>;
}

interface Job {
  readonly work: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** How long a write waits for another process's. */
const BUSY_MS = 5000;

/** There is no libsql here. */
export class NoDatabase extends CapacityError {}

/** Libsql is a package for each system, of which npm installs the one that fits. */
async function loadLibsql(): Promise<typeof Libsql> {
  try {
    return (await import('libsql')).default;
  } catch (error) {
    throw new NoDatabase(
      `The package libsql, which has the database, is not installed, or has no build for ${process.platform}-${process.arch}. ` +
        'Install it ("npm install libsql"), or serve without a database: --database none.',
      { cause: error },
    );
  }
}

/** What SQLite says of a file that it cannot use, in words that say what to do. */
export function describeDatabaseError(error: unknown, path: string): Error {
  const { code = '', message: text } = error as { readonly code?: string; readonly message: string };
  const message = text.replaceAll(/\s*\n\s*/g, ' ');
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code) || /malformed|not a database|database disk image/.test(message))
    return new FormatError(
      `The database ${path} is damaged, or no database (${message}). Put a copy of it back, or move it away together with ` +
        'its -wal file, so that a new one is begun: its keys are gone then.',
      { cause: error },
    );
  if (/^SQLITE_(FULL|IOERR)/.test(code))
    return new CapacityError(`The database ${path} cannot be written (${message}): is its disk full? Make room, or name another place.`, {
      cause: error,
    });
  if (/^SQLITE_(CANTOPEN|READONLY|PERM)/.test(code))
    return new CapacityError(`The database ${path} cannot be opened or written by this user (${message}).`, { cause: error });
  if (code.startsWith('SQLITE_BUSY'))
    return new CapacityError(`Another process has held the database ${path} for ${BUSY_MS} ms. Ask again, or find out which it is.`, {
      cause: error,
    });
  return error as Error;
}

/** SQLite would begin a file that everybody may read. */
function beginFile(path: string): void {
  makeFolder(dirname(path));
  closeSync(openSync(path, 'a', 0o600));
}

/** A file that was here already may be open to others; the log of a database gets the rights of its file. */
function ownAlone(path: string): void {
  const { mode, uid } = statSync(path);
  if ((mode & 0o077) !== 0 && uid === process.getuid?.()) chmodSync(path, 0o600);
}

/** @returns what throws once another file, or none, stands where the database was: what is written then goes nowhere that lasts */
function watchFile(path: string): () => void {
  const find = () => statSync(path, { bigint: true, throwIfNoEntry: false });
  const opened = find();
  return () => {
    const now = find();
    if (now !== undefined && now.ino === opened?.ino && now.dev === opened.dev) return;
    throw new CapacityError(
      `The database ${path} was ${now === undefined ? 'removed' : 'replaced'} while it was in use. What is asked now would be lost: ` +
        'start the server again with the file that is meant.',
    );
  };
}

function connect(Connection: typeof Libsql, path: string): Libsql.Database {
  let connection: Libsql.Database | undefined;
  try {
    connection = new Connection(path);
    connection.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    // Nothing of another program's is written.
    checkTables(connection, path);
    ownAlone(path);
    connection.exec('PRAGMA journal_mode = WAL');
    connection.exec('PRAGMA synchronous = FULL');
    const [first] = connection.prepare('PRAGMA quick_check(1)').all() as { quick_check: string }[];
    const verdict = first?.quick_check ?? 'no answer';
    if (verdict !== 'ok') throw Object.assign(new Error(verdict), { code: 'SQLITE_CORRUPT' });
    migrate(connection);
    return connection;
  } catch (error) {
    connection?.close();
    throw describeDatabaseError(error, path);
  }
}

/**
 * Opens a database, or begins one with its folder; only this user may read them.
 * @throws FormatError for a damaged one, CapacityError for one that cannot be opened, NoDatabase where none can
 */
export async function openDatabase(path: string): Promise<Database> {
  const Connection = await loadLibsql();
  beginFile(path);
  const connection = connect(Connection, path);
  const checkFile = watchFile(path);
  const statements = new Map<string, Libsql.Statement<unknown[]>>();
  const prepared = (sql: string) => {
    const kept = statements.get(sql) ?? connection.prepare(sql);
    statements.set(sql, kept);
    return kept;
  };
  const queue = createWriteQueue(connection, path, checkFile);
  return {
    rows: (sql, ...values) => {
      checkFile();
      try {
        return prepared(sql).all(...values) as SqlRow[];
      } catch (error) {
        throw describeDatabaseError(error, path);
      }
    },
    change: (sql, ...values) => prepared(sql).run(...values).changes,
    write: <Result>(work: () => Result) => queue.add(work),
    async close() {
      queue.flush();
      statements.clear();
      // Statements hold the connection until they are collected, so that closing it would leave all in the log.
      connection.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
      connection.close();
    },
  };
}

export interface Lock {
  /** Whether this holds the lock now; it holds it until its release, or until the process ends in whatever way. */
  acquire(): boolean;
  release(): void;
}

/** A lock between processes: a transaction that is never ended, on a database of its own, which the system lets go of with the process. */
export async function createLock(path: string): Promise<Lock> {
  const Connection = await loadLibsql();
  let held: Libsql.Database | undefined;
  return {
    acquire() {
      if (held !== undefined) return true;
      beginFile(path);
      ownAlone(path);
      const connection = new Connection(path);
      try {
        connection.exec('BEGIN EXCLUSIVE');
        held = connection;
      } catch (error) {
        connection.close();
        const { code = '' } = error as { readonly code?: string };
        if (!code.startsWith('SQLITE_BUSY')) throw describeDatabaseError(error, path);
      }
      return held !== undefined;
    },
    release() {
      held?.exec('ROLLBACK');
      held?.close();
      held = undefined;
    },
  };
}

/** The one place that begins and ends transactions. */
function createWriteQueue(connection: Libsql.Database, path: string, checkFile: () => void) {
  let jobs: Job[] = [];
  /** @returns what to tell whom, once all of it is durable */
  const run = (job: Job): (() => void) => {
    connection.exec('SAVEPOINT job');
    try {
      const result = job.work();
      connection.exec('RELEASE job');
      return () => job.resolve(result);
    } catch (error) {
      // SQLite has given up the whole transaction at some errors, a full disk among them.
      if (!connection.inTransaction) throw error;
      connection.exec('ROLLBACK TO job');
      connection.exec('RELEASE job');
      return () => job.reject(describeDatabaseError(error, path));
    }
  };
  const flush = () => {
    const taken = jobs;
    jobs = [];
    if (taken.length === 0) return;
    let tell: readonly (() => void)[];
    try {
      connection.exec('BEGIN IMMEDIATE');
      const told = taken.map(run);
      connection.exec('COMMIT');
      checkFile();
      tell = told;
    } catch (error) {
      if (connection.inTransaction) connection.exec('ROLLBACK');
      const described = describeDatabaseError(error, path);
      tell = taken.map(({ reject }) => () => reject(described));
    }
    for (const one of tell) one();
  };
  return {
    flush,
    add: <Result>(work: () => Result): Promise<Result> =>
      new Promise<Result>((resolve, reject) => {
        if (jobs.push({ work, resolve: resolve as (result: unknown) => void, reject }) === 1) setImmediate(flush);
      }),
  };
}
