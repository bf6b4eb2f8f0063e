/** Keys in the database: made and revoked by `ingot keys`, read by the server at each request. */
import { InputError } from '../../../tensor/errors.ts';
import { hashKey, newKey } from '../../../server/access/api-key.ts';
import type { KeyLimits, KeyStore, StoredKey } from '../../../server/store.ts';
import { dayOf } from './audit-table.ts';
import type { Database, SqlRow } from './database.ts';

export interface KeyTable extends KeyStore {
  /** @returns the key's text, which is not kept. @throws InputError for a name that another key has */
  create(name: string, limits: KeyLimits): Promise<{ readonly key: StoredKey; readonly text: string }>;
  list(): readonly StoredKey[];
  /**
   * By its name or id; again, to say otherwise what becomes of its answers.
   * @param options.letsEnd answers that are under way may come to their end
   * @throws InputError where there is none
   */
  revoke(nameOrId: string, options?: Pick<StoredKey, 'letsEnd'>): Promise<StoredKey>;
}

function keyOf({ id, name, hash, created_at: createdAt, revoked_at: revokedAt, lets_end: letsEnd, limits }: SqlRow): StoredKey {
  return {
    id: id as string, name: name as string, hash: hash as string, createdAt: createdAt as number,
    revokedAt: (revokedAt as number | null) ?? undefined, letsEnd: letsEnd === 1, limits: JSON.parse(limits as string) as KeyLimits,
  };
}

async function create(database: Database, name: string, limits: KeyLimits): Promise<{ readonly key: StoredKey; readonly text: string }> {
  const { id, text } = newKey();
  const key: StoredKey = { id, name, hash: await hashKey(text), createdAt: Date.now(), revokedAt: undefined, letsEnd: false, limits };
  await database.write(() => {
    if (database.rows('SELECT 1 FROM keys WHERE name = ?', name).length > 0)
      throw new InputError(`There is a key called ${JSON.stringify(name)} already; its requests stay under that name. Take another one.`);
    database.change(
      'INSERT INTO keys (id, name, hash, created_at, limits) VALUES (?, ?, ?, ?, ?)', id, name, key.hash, key.createdAt,
      JSON.stringify(limits),
    );
  });
  return { key, text };
}

const REVOKE = 'UPDATE keys SET revoked_at = coalesce(revoked_at, ?), lets_end = ? WHERE name = ? OR id = ?';

async function revoke(database: Database, nameOrId: string, letsEnd: boolean): Promise<StoredKey> {
  return database.write(() => {
    database.change(REVOKE, Date.now(), Number(letsEnd), nameOrId, nameOrId);
    const [row] = database.rows('SELECT * FROM keys WHERE name = ? OR id = ?', nameOrId, nameOrId);
    if (row === undefined) throw new InputError(`There is no key ${JSON.stringify(nameOrId)}. "ingot keys list" shows them.`);
    return keyOf(row);
  });
}

const USED = 'SELECT coalesce(sum(prompt_tokens + completion_tokens), 0) AS tokens FROM usage WHERE key_id = ? AND day >= ? AND day <= ?';

export function createKeyTable(database: Database): KeyTable {
  return {
    hasKeys: async () => database.rows('SELECT 1 FROM keys LIMIT 1').length > 0,
    async find(id) {
      const [row] = database.rows('SELECT * FROM keys WHERE id = ?', id);
      return row === undefined ? undefined : keyOf(row);
    },
    async tokensUsed(id, at) {
      const day = dayOf(at);
      const since = (from: string) => database.rows(USED, id, from, day)[0]?.['tokens'] as number;
      return { day: since(day), month: since(`${day.slice(0, 7)}-01`) };
    },
    create: (name, limits) => create(database, name, limits),
    list: () => database.rows('SELECT * FROM keys ORDER BY created_at, id').map(keyOf),
    revoke: (nameOrId, { letsEnd = false } = {}) => revoke(database, nameOrId, letsEnd),
  };
}
