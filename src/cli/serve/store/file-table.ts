import type { FileStore, Page, StoredFile } from '../../../server/store.ts';
import type { Database, SqlRow, SqlValue } from './database.ts';

export interface FileTable extends FileStore {
  /** Drops what expired before a time. */
  dropExpired(at: number): Promise<void>;
}

function fileOf(row: SqlRow): StoredFile {
  return {
    id: row['id'] as string, keyId: (row['key_id'] as string) || undefined, createdAt: row['created_at'] as number,
    expiresAt: row['expires_at'] as number, purpose: row['purpose'] as string, filename: row['filename'] as string,
    bytes: row['bytes'] as number,
  };
}

export interface Condition {
  readonly condition: string;
  readonly values: readonly SqlValue[];
}

/** Inside a transaction. */
export function insertFile(database: Database, file: StoredFile, content: Uint8Array): void {
  const { id, keyId = '', createdAt, expiresAt, purpose, filename, bytes } = file;
  database.change(
    'INSERT INTO files (id, key_id, created_at, expires_at, purpose, filename, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)', id, keyId, createdAt,
    expiresAt, purpose, filename, bytes,
  );
  database.change('INSERT INTO contents VALUES (?, ?)', id, content);
}

/** Rows of a table with a number that grows, an id and a key, behind the one that a page names, for which a further condition holds. */
export function pageOf(
  database: Database, table: 'files' | 'batches', { keyId = '', after, limit, order }: Page, { condition, values }: Condition,
): readonly SqlRow[] {
  const [compared, from] = order === 'asc' ? ['>', -1] : ['<', Number.MAX_SAFE_INTEGER];
  const [last] = after === undefined ? [] : database.rows(`SELECT number FROM ${table} WHERE id = ? AND key_id = ?`, after, keyId);
  return database.rows(
    `SELECT * FROM ${table} WHERE key_id = ? AND number ${compared} ? AND ${condition} ORDER BY number ${order} LIMIT ?`, keyId,
    last?.['number'] ?? from, ...values, limit,
  );
}

export function createFileTable(database: Database): FileTable {
  const drop = (condition: string, value: SqlValue) =>
    database.write(() => {
      database.change(`DELETE FROM contents WHERE file_id IN (SELECT id FROM files WHERE ${condition})`, value);
      database.change(`DELETE FROM files WHERE ${condition}`, value);
    });
  return {
    add: (file, content) => database.write(() => insertFile(database, file, content)),
    async find(id) {
      const [row] = database.rows('SELECT * FROM files WHERE id = ? AND expires_at > ?', id, Date.now());
      return row === undefined ? undefined : fileOf(row);
    },
    content: async (id) => database.rows('SELECT content FROM contents WHERE file_id = ?', id)[0]?.['content'] as Uint8Array | undefined,
    list: async ({ purpose = null, ...page }) =>
      pageOf(database, 'files', page, {
        condition: 'expires_at > ? AND (? IS NULL OR purpose = ?)', values: [Date.now(), purpose, purpose],
      }).map(fileOf),
    remove: (id) => drop('id = ?', id),
    dropExpired: (at) => drop('expires_at <= ?', at),
  };
}
