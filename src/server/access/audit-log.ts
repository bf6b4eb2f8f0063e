/** Writes a line for each request that is over, and says what happens where that fails. */
import type { ServerOptions } from '../api.ts';
import type { RequestRecord } from '../request-record.ts';
import type { Failure } from '../failure.ts';
import type { ServerStore } from '../store.ts';
import { storeFailure } from './access-control.ts';

export interface AuditedRequest {
  readonly record: RequestRecord;
  /** When it came, in milliseconds since 1970. */
  readonly at: number;
  /** What the route obeys of its body. */
  readonly parameters: object;
}

export interface AuditLog {
  /** @throws Failure (503) where the last entry was lost and the next one would be, unless requests are served all the same */
  check(): Promise<void>;
  /** Resolves when the entry is durable. @throws Failure (503) as {@link check} */
  add(request: AuditedRequest): Promise<void>;
}

const NO_LOG: AuditLog = { check: async () => {}, add: async () => {} };

type AuditOptions = Pick<ServerOptions, 'store' | 'auditPrompts' | 'auditFailure' | 'onStoreError'>;

/** @returns a log that does nothing where there is no store */
export function createAuditLog({ store, auditPrompts = false, auditFailure = 'refuse', onStoreError }: AuditOptions): AuditLog {
  if (store === undefined) return NO_LOG;
  const { audit }: ServerStore = store;
  let isFailing = false;
  const fail = (error: unknown): Failure | undefined => {
    isFailing = true;
    onStoreError?.(error);
    return auditFailure === 'serve' ? undefined : storeFailure(error);
  };
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    let failure: Failure | undefined;
    try {
      await work();
      isFailing = false;
    } catch (error) {
      failure = fail(error);
    }
    if (failure !== undefined) throw failure;
  };
  return {
    async check() {
      if (isFailing) await attempt(() => audit.check());
    },
    add: ({ record: { error: _error, ...record }, at, parameters }) =>
      attempt(() => audit.add({ ...record, at, prompt: auditPrompts ? JSON.stringify(parameters) : undefined })),
  };
}
