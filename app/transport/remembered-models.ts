/** What this browser knows of models that were loaded here: their kinds, and by which address of a page's list each came. */

/** Kinds that a page runs. */
const KINDS = ['text', 'speech', 'voice'] as const;
export type PageKind = (typeof KINDS)[number];

interface Remembered {
  /** Undefined: its files have to say, since they were refused as what they were before. */
  readonly kind?: PageKind | undefined;
  /** What it was asked for by: where its address has a hash, or is a page of the hub, the cache has another name for it. */
  readonly asked: string;
}

const KEPT = 'ingot loaded models';

function isRemembered(one: unknown): one is Remembered {
  const { kind, asked } = (one ?? {}) as Partial<Record<keyof Remembered, unknown>>;
  return typeof asked === 'string' && (kind === undefined || KINDS.some((each) => each === kind));
}

function read(): Map<string, Remembered> {
  try {
    const kept = Object.entries(JSON.parse(localStorage.getItem(KEPT) ?? '{}') as object);
    return new Map(kept.filter((entry): entry is [string, Remembered] => isRemembered(entry[1])));
  } catch {
    return new Map();
  }
}

function write(all: ReadonlyMap<string, Remembered>): void {
  try {
    localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(all)));
  } catch {
    // Then a model is asked for its kind anew.
  }
}

/** @param id what the cache calls it */
export function remember(id: string, model: Required<Remembered>): void {
  write(read().set(id, model));
}

/** It is in the cache no more. */
export function forget(id: string): void {
  const all = read();
  if (all.delete(id)) write(all);
}

/** A model is not what it was loaded as before; what it was asked for by stays. */
export function forgetKind(id: string): void {
  const all = read();
  const one = all.get(id);
  if (one?.kind !== undefined) write(all.set(id, { asked: one.asked }));
}

export function kindLoaded(id: string): PageKind | undefined {
  return read().get(id)?.kind;
}

/** What the cache calls a model that is asked for by an id; that id where it was not loaded yet. */
export function cacheIdOf(asked: string): string {
  for (const [id, one] of read()) if (one.asked === asked) return id;
  return asked;
}
