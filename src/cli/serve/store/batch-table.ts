/** Batches, their requests and results. A request has a result once, and the files of a batch are made of what is here when it ends. */
import { randomBytes } from 'node:crypto';
import type { JsonObject } from '../../../tensor/checkpoint.ts';
import type { BatchError, BatchItem, BatchStatus, BatchStore, PendingItem, SettledBatch, StoredBatch } from '../../../server/store.ts';
import type { Database, SqlRow } from './database.ts';
import { insertFile, pageOf } from './file-table.ts';

function batchOf(row: SqlRow): StoredBatch {
  const at = (name: string) => (row[name] as number | null) ?? undefined;
  const text = (name: string) => (row[name] as string | null) ?? undefined;
  return {
    id: row['id'] as string, keyId: (row['key_id'] as string) || undefined, createdAt: row['created_at'] as number,
    expiresAt: row['expires_at'] as number, endpoint: row['endpoint'] as string, inputFileId: row['input_file_id'] as string,
    status: row['status'] as BatchStatus, metadata: JSON.parse(row['metadata'] as string) as JsonObject,
    errors: JSON.parse(row['errors'] as string) as BatchError[], outputMs: row['output_ms'] as number, cancellingAt: at('cancelling_at'),
    endedAt: at('ended_at'), outputFileId: text('output_file_id'), errorFileId: text('error_file_id'),
    counts: { total: row['total'] as number, completed: row['completed'] as number, failed: row['failed'] as number },
  };
}

function itemOf(row: SqlRow): BatchItem {
  return { line: row['line'] as number, customId: row['custom_id'] as string, body: JSON.parse(row['body'] as string) as JsonObject };
}

const INSERT = `INSERT INTO batches (id, key_id, created_at, expires_at, endpoint, input_file_id, status, metadata, errors,
  output_ms, ended_at, total, completed, failed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)`;

function create(database: Database, batch: StoredBatch, items: readonly BatchItem[]): void {
  const { id, keyId = '', createdAt, expiresAt, endpoint, inputFileId, status, metadata, errors, outputMs, endedAt = null, counts } = batch;
  const texts = [JSON.stringify(metadata), JSON.stringify(errors)];
  database.change(
    INSERT, id, keyId, createdAt, expiresAt, endpoint, inputFileId, status, ...texts, outputMs, endedAt, counts.total,
  );
  const number = database.rows('SELECT number FROM batches WHERE id = ?', id)[0]?.['number'] as number;
  const insert = 'INSERT INTO batch_items (batch, line, custom_id, body) VALUES (?, ?, ?, ?)';
  for (const { line, customId, body } of items) database.change(insert, number, line, customId, JSON.stringify(body));
}

const PENDING = `SELECT batch_items.*, batches.id, batches.endpoint, batches.key_id FROM batches JOIN batch_items ON batch = number
  WHERE status = 'in_progress' AND expires_at > ? AND result IS NULL ORDER BY batch, line LIMIT ?`;

function pending(database: Database, limit: number): readonly PendingItem[] {
  return database.rows(PENDING, Date.now(), limit).map((row) => ({
    ...itemOf(row), batchId: row['id'] as string, endpoint: row['endpoint'] as string, keyId: (row['key_id'] as string) || undefined,
  }));
}

const SETTLED = `SELECT id, status, expires_at FROM batches WHERE status = 'cancelling' OR (status = 'in_progress' AND
  (expires_at <= ? OR NOT EXISTS (SELECT 1 FROM batch_items WHERE batch = number AND result IS NULL)))`;

function settled(database: Database, at: number): readonly SettledBatch[] {
  return database.rows(SETTLED, at).map(({ id, status, expires_at: end }) => ({
    id: id as string, at, status: status === 'cancelling' ? 'cancelled' : (end as number) <= at ? 'expired' : 'completed',
  }));
}

/** @returns the id of a file of lines, in their order; none where there are no lines */
function addFile(database: Database, batch: StoredBatch, name: string, at: number, lines: readonly SqlRow[]): string | null {
  if (lines.length === 0) return null;
  const content = new TextEncoder().encode(lines.map(({ result }) => `${result as string}\n`).join(''));
  const id = `file-${randomBytes(16).toString('hex')}`;
  const file = {
    id, keyId: batch.keyId, createdAt: at, expiresAt: at + batch.outputMs, purpose: 'batch_output', filename: `${batch.id}_${name}.jsonl`,
    bytes: content.length,
  };
  insertFile(database, file, content);
  return id;
}

function settle(database: Database, { id, status, at }: SettledBatch, unrun: (item: BatchItem) => string): void {
  const [row] = database.rows("SELECT * FROM batches WHERE id = ? AND status IN ('in_progress', 'cancelling')", id);
  if (row === undefined) return;
  const [batch, number] = [batchOf(row), row['number'] as number];
  for (const left of database.rows('SELECT * FROM batch_items WHERE batch = ? AND result IS NULL', number))
    database.change(
      'UPDATE batch_items SET is_error = 1, result = ? WHERE batch = ? AND line = ?', unrun(itemOf(left)), number, left['line'] as number,
    );
  const lines = (isError: 0 | 1) =>
    database.rows('SELECT result FROM batch_items WHERE batch = ? AND is_error = ? ORDER BY line', number, isError);
  const [output, errors] = [lines(0), lines(1)];
  const [outputFile, errorFile] = [addFile(database, batch, 'output', at, output), addFile(database, batch, 'errors', at, errors)];
  database.change(
    'UPDATE batches SET status = ?, ended_at = ?, output_file_id = ?, error_file_id = ?, completed = ?, failed = ? WHERE number = ?',
    status, at, outputFile, errorFile, output.length, errors.length, number,
  );
  // The files have all of it now.
  database.change('DELETE FROM batch_items WHERE batch = ?', number);
}

const FINISH = `UPDATE batch_items SET is_error = ?, result = ?, body = NULL WHERE result IS NULL AND line = ?
  AND batch = (SELECT number FROM batches WHERE id = ? AND status = 'in_progress')`;

/** @param acquire see {@link BatchStore.acquire} */
export function createBatchTable(database: Database, acquire: () => boolean): BatchStore {
  return {
    create: (batch, items) => database.write(() => create(database, batch, items)),
    async find(id) {
      const [row] = database.rows('SELECT * FROM batches WHERE id = ?', id);
      return row === undefined ? undefined : batchOf(row);
    },
    list: async (page) => pageOf(database, 'batches', page, { condition: 'true', values: [] }).map(batchOf),
    cancel: async (id, at) => void (await database.write(() => database.change(
      "UPDATE batches SET status = 'cancelling', cancelling_at = ? WHERE id = ? AND status = 'in_progress'", at, id,
    ))),
    acquire: async () => acquire(),
    pending: async (limit) => pending(database, limit),
    finish: ({ batchId, line, isError, text }) => database.write(() => {
      if (database.change(FINISH, isError ? 1 : 0, text, line, batchId) === 0) return;
      database.change(`UPDATE batches SET ${isError ? 'failed = failed' : 'completed = completed'} + 1 WHERE id = ?`, batchId);
    }),
    settled: async (at) => settled(database, at),
    settle: (batch, unrun) => database.write(() => settle(database, batch, unrun)),
  };
}
