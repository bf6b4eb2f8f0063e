/**
 * States that sequences can come back to: each is a slot that holds the slot states after a prefix of tokens, the pages of windows before
 * its end, or both, and those tokens are its key. What is held is shared with whoever else holds it, never copied. It knows nothing of
 * chats, steps or other pages: whether what lies in those is still there for a prefix is for the caller to say.
 */

/** What a snapshot belongs to: a sequence, whose snapshots are counted and can be released together, or a block of the prefix index. */
export type SnapshotOwner = object;

/** What a snapshot holds beside what its owner does. */
export interface KeptState {
  /** Undefined for a model without slots. */
  readonly slot?: number | undefined;
  /** By group: the pages of its window before the end of the prefix. Absent: the owner holds them. */
  readonly windows?: readonly (readonly number[])[] | undefined;
}

export interface Snapshot extends KeptState {
  readonly owner: SnapshotOwner;
  /** The prefix that it is the state after. */
  readonly tokens: Int32Array;
}

export interface Snapshots {
  /** Most of them at a time; 0: none is ever kept. */
  readonly most: number;
  /**
   * Keeps what is the state after `tokens`, as the newest snapshot, and in place of the owner's own of these tokens. The owner's oldest
   * goes where it has too many, then the oldest of all.
   */
  take(owner: SnapshotOwner, tokens: ArrayLike<number>, kept: KeptState): void;
  /** Of those that `serves` says yes to, the one of the longest prefix of `tokens`. */
  nearest(tokens: ArrayLike<number>, serves: (snapshot: Snapshot) => boolean): Snapshot | undefined;
  /** Of those that belong to any of `owners`, the one of most tokens. */
  longestOf(owners: readonly SnapshotOwner[]): Snapshot | undefined;
  /** Makes it the newest. */
  touch(snapshot: Snapshot): void;
  release(which: (snapshot: Snapshot) => boolean): void;
  /** Releases the oldest that `which` says yes to; false where there is none. */
  releaseOldest(which: (snapshot: Snapshot) => boolean): boolean;
}

export interface SnapshotOptions {
  readonly most: number;
  /** Called for what a snapshot begins to hold, and no longer holds. */
  readonly hold: (kept: KeptState) => void;
  readonly drop: (kept: KeptState) => void;
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
    drop(snapshot);
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
    take(owner, tokens, state) {
      if (most === 0) return;
      hold(state);
      release((other) => other.owner === owner && other.tokens.length === tokens.length && isPrefix(other.tokens, tokens));
      const owned = [...kept].filter((other) => other.owner === owner);
      if (owned.length >= OWNER_SNAPSHOTS) remove(owned[0] as Snapshot);
      else if (kept.size >= most) releaseOldest(() => true);
      kept.add({ owner, tokens: Int32Array.from(tokens), ...state });
    },
    nearest(tokens, serves) {
      let best: Snapshot | undefined;
      for (const snapshot of kept) {
        if (snapshot.tokens.length <= (best?.tokens.length ?? -1) || !serves(snapshot)) continue;
        if (isPrefix(snapshot.tokens, tokens)) best = snapshot;
      }
      return best;
    },
    longestOf(owners) {
      const wanted = new Set(owners);
      const found = [...kept].filter(({ owner }) => wanted.has(owner));
      return found.reduce<Snapshot | undefined>((best, next) => (next.tokens.length > (best?.tokens.length ?? 0) ? next : best), undefined);
    },
    touch(snapshot) {
      if (kept.delete(snapshot)) kept.add(snapshot);
    },
    release,
    releaseOldest,
  };
}
