/** Answers that were spoken, for a while: a conversation that goes on names them by their ids. They are kept in memory alone. */
import type { TalkEvent } from '../engine/talk/talk-flow.ts';

export interface SpokenAnswer {
  readonly transcript: string;
  /** The model's own name. */
  readonly model: string;
  /** Whose key it was made for; undefined where none is needed. */
  readonly keyId: string | undefined;
  /** Of a model that speaks itself: what it made, so that it goes on from its own speech. */
  readonly said?: readonly TalkEvent[] | undefined;
}

export interface SpokenAnswers {
  /** An id that no answer has. */
  newId(): string;
  /** @returns when it is forgotten, in seconds since 1970 */
  keep(id: string, answer: SpokenAnswer): number;
  /** Undefined where there is none of this key's. */
  get(id: string, keyId: string | undefined): SpokenAnswer | undefined;
}

/** An hour, as in OpenAI's reference. */
const KEPT_MS = 3_600_000;
/** Of all answers: characters, and 40 for each code or token. The oldest go first. */
const MOST_WEIGHT = 32_000_000;

function weightOf({ transcript, said = [] }: SpokenAnswer): number {
  return 200 + transcript.length + said.reduce((sum, event) => sum + 40 * ('codes' in event ? event.codes.length : 1), 0);
}

export function createSpokenAnswers(now: () => number = Date.now): SpokenAnswers {
  const kept = new Map<string, SpokenAnswer & { readonly until: number }>();
  let weight = 0;
  const forget = (id: string) => {
    weight -= weightOf(kept.get(id)!);
    kept.delete(id);
  };
  return {
    newId: () => `audio_${crypto.randomUUID().replaceAll('-', '')}`,
    keep(name, answer) {
      const until = now() + KEPT_MS;
      for (const [old, one] of kept) {
        if (one.until > now() && weight + weightOf(answer) <= MOST_WEIGHT) break;
        forget(old);
      }
      kept.set(name, { ...answer, until });
      weight += weightOf(answer);
      return Math.floor(until / 1000);
    },
    get(id, keyId) {
      const found = kept.get(id);
      return found === undefined || found.until <= now() || found.keyId !== keyId ? undefined : found;
    },
  };
}
