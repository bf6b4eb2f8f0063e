/** What becomes of requests at work whose key is revoked: they are ended, unless whoever revoked it lets them end by themselves. */
import type { Call } from '../call.ts';
import type { KeyStore } from '../store.ts';

/** Two looks in the second within which a revoked key's answers end. */
const LOOK_MS = 500;

export interface RevocationsOptions {
  readonly keys: KeyStore;
  /** Requests at work. */
  readonly active: ReadonlySet<Call>;
}

/** @returns to be called when a request with a key begins: keys are looked at as long as there is one */
export function watchRevocations({ keys, active }: RevocationsOptions): () => void {
  let isWatching = false;
  const heldKeys = () => new Set([...active].flatMap(({ holder }) => holder?.keyId ?? []));
  const endRevoked = async (keyId: string): Promise<void> => {
    // A store that cannot be read says nothing of keys, and refuses what comes.
    const key = await keys.find(keyId).catch(() => undefined);
    if (key?.revokedAt === undefined || key.letsEnd === true) return;
    for (const call of active) if (call.holder?.keyId === keyId) call.stop('revocation');
  };
  const look = async (): Promise<void> => {
    await Promise.all([...heldKeys()].map(endRevoked));
    if (heldKeys().size > 0) return lookLater();
    isWatching = false;
  };
  const lookLater = () => {
    const timer: unknown = setTimeout(() => void look(), LOOK_MS);
    // Node waits for no such timer when all else is over.
    (timer as { unref?: () => void }).unref?.();
  };
  return () => {
    if (isWatching) return;
    isWatching = true;
    lookLater();
  };
}
