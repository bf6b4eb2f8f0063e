/** Search over all chats of this browser. */
import type { Conversation, Turn } from './conversation.ts';

export interface Found {
  readonly conversation: Conversation;
  /** Undefined where it is the title that matched. */
  readonly turn: Turn | undefined;
  /** A stretch of text around the first word. */
  readonly before: string;
  readonly match: string;
  readonly after: string;
}

const AROUND = 40;
const MOST = 50;

function stretch(text: string, at: number, length: number): Pick<Found, 'before' | 'match' | 'after'> {
  const line = (part: string) => part.replaceAll(/\s+/g, ' ');
  const from = Math.max(0, at - AROUND);
  return {
    before: `${from > 0 ? '…' : ''}${line(text.slice(from, at))}`,
    match: line(text.slice(at, at + length)),
    after: line(text.slice(at + length, at + length + 2 * AROUND)),
  };
}

/** Where all words of the query are, in any order; of each chat the first such turn. Capitals do not matter. */
export function search(conversations: readonly Conversation[], query: string): readonly Found[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found: Found[] = [];
  if (words.length === 0) return found;
  for (const conversation of conversations) {
    const texts: readonly (readonly [Turn | undefined, string])[] = [
      [undefined, conversation.title],
      ...Object.values(conversation.turns).map((turn) => [turn, turn.text] as const),
    ];
    const hit = texts.find(([, text]) => {
      const lower = text.toLowerCase();
      return words.every((word) => lower.includes(word));
    });
    if (hit === undefined) continue;
    const [turn, text] = hit;
    found.push({ conversation, turn, ...stretch(text, text.toLowerCase().indexOf(words[0]!), words[0]!.length) });
    if (found.length === MOST) break;
  }
  return found;
}
