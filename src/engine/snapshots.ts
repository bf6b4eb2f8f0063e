/**
 * States that sequences can come back to: each is a slot that holds the slot states after a prefix of tokens, and those tokens are its key.
 * Slots are shared with whoever else holds them, never copied. It knows nothing of chats, steps or pages: whether what lies in pages is
 * still there for a prefix is for the caller to say.
 */

/** What a snapshot belongs to: a sequence, whose snapshots are counted and can be released together. */
export type SnapshotOwner = object;

export interface Snapshot {
  readonly owner: SnapshotOwner;
  /** The prefix that the slot holds the state after. */
  readonly tokens: Int32Array;
  readonly slot: number;
}

export interface Snapshots {
  /** Most of them at a time; 0: none is ever kept. */
  readonly most: number;
  /**
   * Keeps a slot as the state after `tokens`, as the newest snapshot, and in place of the owner's own of these tokens. The owner's oldest
   * goes where it has too many, then the oldest of all.
   */
  take(owner: SnapshotOwner, tokens: ArrayLike<number>, slot: number): void;
  /** Of those that `serves` says yes to, the one of the longest prefix of `tokens`. */
  nearest(tokens: ArrayLike<number>, serves: (snapshot: Snapshot) => boolean): Snapshot | undefined;
  release(which: (snapshot: Snapshot) => boolean): void;
  /** Releases the oldest that `which` says yes to; false where there is none. */
  releaseOldest(which: (snapshot: Snapshot) => boolean): boolean;
}

export interface SnapshotOptions {
  readonly most: number;
  /** Called for each slot that a snapshot begins to hold, and no longer holds. */
  readonly hold: (slot: number) => void;
  readonly drop: (slot: number) => void;
}

/** Snapshots of one owner, at most. */
export const OWNER_SNAPSHOTS = 4;

function isPrefix(prefix: ArrayLike<number>, tokens: ArrayLike<number>): boolean {
  if (prefix.length > tokens.length) return false;
  for (let i = 0; i < prefix.length; i++) if (prefix[i] !== tokens[i]) return false;
  return true;
}

export function createSnapshots({ most, hold, drop }: SnapshotOptions): Snapshots {
  /** In the order of their age, oldest first. */
  const kept = new Set<Snapshot>();
  const remove = (snapshot: Snapshot) => {
    kept.delete(snapshot);
    drop(snapshot.slot);
  };
  const release: Snapshots['release'] = (which) => {
    for (const snapshot of kept) if (which(snapshot)) remove(snapshot);
  };
  const releaseOldest: Snapshots['releaseOldest'] = (which) => {
    for (const snapshot of kept) {
      if (!which(snapshot)) continue;
      remove(snapshot);
      return true;
    }
    return false;
  };
  return {
    most,
    take(owner, tokens, slot) {
      if (most === 0) return;
      hold(slot);
      release((other) => other.owner === owner && other.tokens.length === tokens.length && isPrefix(other.tokens, tokens));
      const owned = [...kept].filter((other) => other.owner === owner);
      if (owned.length >= OWNER_SNAPSHOTS) remove(owned[0] as Snapshot);
      else if (kept.size >= most) releaseOldest(() => true);
      kept.add({ owner, tokens: Int32Array.from(tokens), slot });
    },
    nearest(tokens, serves) {
      let best: Snapshot | undefined;
      for (const snapshot of kept) {
        if (snapshot.tokens.length <= (best?.tokens.length ?? -1) || !serves(snapshot)) continue;
        if (isPrefix(snapshot.tokens, tokens)) best = snapshot;
      }
      return best;
    },
    release,
    releaseOldest,
  };
}
