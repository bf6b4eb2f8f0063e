/** What `ingot serve` keeps, in one database. */
import type { BatchStore, ServerStore } from '../../../server/store.ts';
import { createAuditTable } from './audit-table.ts';
import type { AuditTable } from './audit-table.ts';
import { createBatchTable } from './batch-table.ts';
import { createLock, openDatabase } from './database.ts';
import type { Database } from './database.ts';
import { createFileTable } from './file-table.ts';
import type { FileTable } from './file-table.ts';
import { createKeyTable } from './key-table.ts';
import type { KeyTable } from './key-table.ts';
import { createResponseTable } from './response-table.ts';
import type { ResponseTable } from './response-table.ts';

export interface ServeStore extends ServerStore {
  readonly keys: KeyTable;
  readonly audit: AuditTable;
  readonly responses: ResponseTable;
  readonly files: FileTable;
  readonly batches: BatchStore;
  readonly database: Database;
  close(): Promise<void>;
}

/** @throws FormatError and CapacityError, as {@link openDatabase} */
export async function openStore(path: string): Promise<ServeStore> {
  const database = await openDatabase(path);
  const lock = await createLock(`${path}-batches`);
  return {
    database, keys: createKeyTable(database), audit: createAuditTable(database), responses: createResponseTable(database),
    files: createFileTable(database), batches: createBatchTable(database, lock.acquire),
    async close() {
      lock.release();
      await database.close();
    },
  };
}
