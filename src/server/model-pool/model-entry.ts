/** A model of the server's: what is known of it, who uses it, and who waits for it. */
import type { MemoryNeeds } from '../../engine/memory-needs.ts';
import type { ModelKind, ModelLoader, ServedModel } from '../api.ts';

export type ModelStatus = 'unloaded' | 'loading' | 'loaded' | 'unloading';

/** A request that waits. Exactly one of its functions is called. */
export interface Waiter {
  grant(model: ServedModel): void;
  refuse(error: unknown): void;
}

export interface ModelEntry {
  readonly name: string;
  readonly kind: ModelKind;
  /** Undefined: the caller's own, loaded for as long as the server is. */
  readonly loader: ModelLoader | undefined;
  readonly isPinned: boolean;
  status: ModelStatus;
  /** While it is loaded. */
  model: ServedModel | undefined;
  /** As its files were when it was loaded last, or looked at. */
  needs: MemoryNeeds | undefined;
  /** Asked once, for lists; undefined where the headers cannot be read. */
  needsByHeaders?: Promise<MemoryNeeds | undefined> | undefined;
  /** Bytes that are its, from before it is loaded until it is gone. */
  reserved: number;
  /** Requests that it answers. */
  users: number;
  readonly waiters: Set<Waiter>;
  /** Who wants its memory, or that it goes: it takes no more users meanwhile. */
  readonly wantedBy: Set<object>;
  /** Counts up over all models. */
  lastUse: number;
  /** Milliseconds that it stays after its last user; undefined: for good. */
  idleMs: number | undefined;
  idleTimer: ReturnType<typeof setTimeout> | undefined;
  /** When that is over, in milliseconds since 1970. */
  idleUntil: number | undefined;
  /** Of the load that runs. */
  loading: AbortController | undefined;
  /** The load goes on though nobody waits. */
  isKept: boolean;
}

export interface EntryOptions {
  readonly name: string;
  readonly of: ServedModel | ModelLoader;
  readonly isPinned: boolean;
  readonly idleMs: number | undefined;
}

export function kindOf(model: ServedModel): ModelKind {
  if ('speak' in model) return 'voice';
  if ('talk' in model) return 'talk';
  return 'segments' in model ? 'speech' : 'text';
}

function isLoaded(of: ServedModel | ModelLoader): of is ServedModel {
  return 'generate' in of || 'segments' in of || 'speak' in of || 'talk' in of;
}

export function createEntry({ name, of, isPinned, idleMs }: EntryOptions): ModelEntry {
  const model = isLoaded(of) ? of : undefined;
  return {
    name, kind: isLoaded(of) ? kindOf(of) : (of.kind ?? 'text'), loader: isLoaded(of) ? undefined : of,
    isPinned: isPinned || model !== undefined,
    status: model === undefined ? 'unloaded' : 'loaded', model, needs: undefined, reserved: 0, users: 0, waiters: new Set(),
    wantedBy: new Set(), lastUse: 0, idleMs, idleTimer: undefined, idleUntil: undefined, loading: undefined, isKept: false,
  };
}

/** Bytes of the weights and states that it has, or is to have; work memory comes on top. */
export function memoryOf({ model, reserved }: ModelEntry): number {
  const { weightBytes, kvBytes } = model?.info.memory ?? { weightBytes: 0, kvBytes: 0 };
  return Math.max(reserved, weightBytes + kvBytes);
}

/** Nobody would miss it. */
export function isIdle({ status, isPinned, users }: ModelEntry): boolean {
  return status === 'loaded' && !isPinned && users === 0;
}

/** Ends the waiting of all that it may serve now. */
export function grantWaiters(entry: ModelEntry): void {
  const { model, wantedBy, waiters } = entry;
  if (entry.status !== 'loaded' || model === undefined || wantedBy.size > 0) return;
  for (const waiter of waiters) {
    entry.users++;
    waiter.grant(model);
  }
  waiters.clear();
}

export function refuseWaiters({ waiters }: ModelEntry, error: unknown): void {
  for (const waiter of waiters) waiter.refuse(error);
  waiters.clear();
}
