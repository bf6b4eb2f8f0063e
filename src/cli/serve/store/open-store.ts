/** What `ingot serve` keeps, in one database. */
import type { ServerStore } from '../../../server/store.ts';
import { createAuditTable } from './audit-table.ts';
import type { AuditTable } from './audit-table.ts';
import { openDatabase } from './database.ts';
import type { Database } from './database.ts';
import { createKeyTable } from './key-table.ts';
import type { KeyTable } from './key-table.ts';

export interface ServeStore extends ServerStore {
  readonly keys: KeyTable;
  readonly audit: AuditTable;
  readonly database: Database;
  close(): Promise<void>;
}

/** @throws FormatError and CapacityError, as {@link openDatabase} */
export async function openStore(path: string): Promise<ServeStore> {
  const database = await openDatabase(path);
  return { database, keys: createKeyTable(database), audit: createAuditTable(database), close: () => database.close() };
}
