import type { JsonObject } from '../../../tensor/checkpoint.ts';
import type { ResponseStore, StoredResponse } from '../../../server/store.ts';
import type { Database, SqlRow } from './database.ts';

export interface ResponseTable extends ResponseStore {
  /** Drops what expired before a time. */
  dropExpired(at: number): Promise<void>;
}

function responseOf(row: SqlRow): StoredResponse {
  return {
    id: row['id'] as string, keyId: (row['key_id'] as string) || undefined, createdAt: row['created_at'] as number,
    expiresAt: row['expires_at'] as number, previousId: (row['previous_id'] as string | null) ?? undefined,
    input: JSON.parse(row['input'] as string) as JsonObject[], response: JSON.parse(row['response'] as string) as JsonObject,
  };
}

export function createResponseTable(database: Database): ResponseTable {
  return {
    async save({ id, keyId = '', createdAt, expiresAt, previousId = null, input, response }) {
      const texts = [JSON.stringify(input), JSON.stringify(response)];
      await database.write(() =>
        database.change('INSERT INTO responses VALUES (?, ?, ?, ?, ?, ?, ?)', id, keyId, createdAt, expiresAt, previousId, ...texts));
    },
    async find(id) {
      const [row] = database.rows('SELECT * FROM responses WHERE id = ? AND expires_at > ?', id, Date.now());
      return row === undefined ? undefined : responseOf(row);
    },
    remove: async (id) => void (await database.write(() => database.change('DELETE FROM responses WHERE id = ?', id))),
    dropExpired: async (at) => void (await database.write(() => database.change('DELETE FROM responses WHERE expires_at <= ?', at))),
  };
}
