/** What a server keeps, as interfaces: `ingot serve` hands in a database, a program whatever it has. Methods reject where that fails. */
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

export interface ServerStore {
  readonly keys: KeyStore;
  readonly audit: AuditStore;
}
