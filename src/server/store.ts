/** What a server keeps, as interfaces: `ingot serve` hands in a database, a program whatever it has. Methods reject where that fails. */
import type { JsonObject } from '../tensor/checkpoint.ts';
import type { RequestRecord } from './request-record.ts';

/** What the holder of a key may take; what is absent is not bounded. */
export interface KeyLimits {
  readonly requestsPerMinute?: number | undefined;
  readonly tokensPerMinute?: number | undefined;
  /** Tokens of prompts and answers together, of a day in UTC. */
  readonly tokensPerDay?: number | undefined;
  /** Of a calendar month in UTC. */
  readonly tokensPerMonth?: number | undefined;
  /** Names of the models that it may ask. */
  readonly models?: readonly string[] | undefined;
  /** Of its answers, from -99 to 100: the greater goes first where answers wait. Default 0. */
  readonly priority?: number | undefined;
}

/** A key as it is kept: what would open the server is not in it. */
export interface StoredKey {
  /** Stands in the key itself, so that it is found by it. */
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the key's whole text, in hexadecimal digits. */
  readonly hash: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly revokedAt: number | undefined;
  /** Answers that were under way when it was revoked may come to their end; default: they are ended. */
  readonly letsEnd?: boolean | undefined;
  readonly limits: KeyLimits;
}

export interface KeyStore {
  /** Whether any key was ever made: a revoked one leaves the server closed. */
  hasKeys(): Promise<boolean>;
  find(id: string): Promise<StoredKey | undefined>;
  /** Tokens that a key has used in the day and the month of a time (milliseconds since 1970). */
  tokensUsed(id: string, at: number): Promise<{ readonly day: number; readonly month: number }>;
}

/** A line of the audit log. */
export interface AuditEntry extends Omit<RequestRecord, 'error'> {
  /** When the request came, in milliseconds since 1970. */
  readonly at: number;
  /** The body of the request as JSON, where the server was asked to keep it. */
  readonly prompt: string | undefined;
}

export interface AuditStore {
  /** Resolves when the entry cannot be lost any more, with what its key has used. */
  add(entry: AuditEntry): Promise<void>;
  /** Rejects where an entry could not be written now. */
  check(): Promise<void>;
}

/** What belongs to the holder of a key, or, without one, to all who need none. */
export interface Owned {
  readonly id: string;
  readonly keyId: string | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** From when on it is as if it had never been. */
  readonly expiresAt: number;
}

/** A response of `/v1/responses`, with what it answered. */
export interface StoredResponse extends Owned {
  /** The response that it goes on with. */
  readonly previousId: string | undefined;
  /** Its own input, without that of those before it. */
  readonly input: readonly JsonObject[];
  /** As it was answered. */
  readonly response: JsonObject;
}

export interface ResponseStore {
  /** Resolves when it is durable. */
  save(response: StoredResponse): Promise<void>;
  find(id: string): Promise<StoredResponse | undefined>;
  remove(id: string): Promise<void>;
}

export interface StoredFile extends Owned {
  readonly purpose: string;
  readonly filename: string;
  readonly bytes: number;
}

/** A part of a list, by the time of what is in it. */
export interface Page {
  readonly keyId: string | undefined;
  /** The id that the part begins behind. */
  readonly after: string | undefined;
  readonly limit: number;
  readonly order: 'asc' | 'desc';
}

export interface FileStore {
  /** Resolves when it is durable. */
  add(file: StoredFile, content: Uint8Array): Promise<void>;
  find(id: string): Promise<StoredFile | undefined>;
  content(id: string): Promise<Uint8Array | undefined>;
  list(page: Page & { readonly purpose: string | undefined }): Promise<readonly StoredFile[]>;
  remove(id: string): Promise<void>;
}

export type BatchStatus = 'failed' | 'in_progress' | 'completed' | 'expired' | 'cancelling' | 'cancelled';

/** What is wrong with a line of a batch's file. */
export interface BatchError {
  readonly code: string;
  readonly message: string;
  readonly line: number | undefined;
  readonly param: string | undefined;
}

export interface StoredBatch extends Owned {
  readonly endpoint: string;
  readonly inputFileId: string;
  readonly status: BatchStatus;
  readonly metadata: JsonObject;
  readonly errors: readonly BatchError[];
  /** When the files of its answers go, in milliseconds after they were made. */
  readonly outputMs: number;
  /** When it came to its status, other than `in_progress`. */
  readonly cancellingAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly outputFileId: string | undefined;
  readonly errorFileId: string | undefined;
  readonly counts: { readonly total: number; readonly completed: number; readonly failed: number };
}

/** A request of a batch. */
export interface BatchItem {
  /** Its number in the file, from 1. */
  readonly line: number;
  readonly customId: string;
  readonly body: JsonObject;
}

export interface PendingItem extends BatchItem {
  readonly batchId: string;
  readonly endpoint: string;
  readonly keyId: string | undefined;
}

export interface ItemResult {
  readonly batchId: string;
  readonly line: number;
  readonly isError: boolean;
  /** The line of the output, or the error, file. */
  readonly text: string;
}

/** A batch that has nothing more to run. */
export interface SettledBatch {
  readonly id: string;
  readonly status: 'completed' | 'expired' | 'cancelled';
  readonly at: number;
}

export interface BatchStore {
  /** Resolves when all of it is durable. */
  create(batch: StoredBatch, items: readonly BatchItem[]): Promise<void>;
  find(id: string): Promise<StoredBatch | undefined>;
  list(page: Page): Promise<readonly StoredBatch[]>;
  /** Leaves one that has ended as it is. */
  cancel(id: string, at: number): Promise<void>;
  /** Whether this server is the one of those with the same store that runs batches; it stays it until its end. */
  acquire(): Promise<boolean>;
  /** Requests without a result, those of the oldest batches first. */
  pending(limit: number): Promise<readonly PendingItem[]>;
  /** Resolves when it is durable. One that has a result already, or whose batch has ended, keeps it. */
  finish(result: ItemResult): Promise<void>;
  /** Batches that are cancelled, whose time is over, or whose requests all have results. */
  settled(at: number): Promise<readonly SettledBatch[]>;
  /**
   * Makes the files of a batch and ends it, in one transaction.
   * @param unrun the line of the error file for a request without a result
   */
  settle(batch: SettledBatch, unrun: (item: BatchItem) => string): Promise<void>;
}

export interface ServerStore {
  readonly keys: KeyStore;
  readonly audit: AuditStore;
  readonly responses: ResponseStore;
  readonly files: FileStore;
  readonly batches: BatchStore;
}
