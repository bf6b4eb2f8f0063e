/** A conversation is a tree of turns: an answer made again, or a question put differently, is another child of the same parent. */
import { newId } from './new-id.ts';
import type { Sampling, ToolCall, Usage } from '../transport/transport.ts';

export interface Attachment {
  readonly kind: 'image' | 'audio' | 'text';
  readonly name: string;
  /** Of a text, its UTF-8 bytes. */
  readonly blob: Blob;
}

export interface Figures {
  readonly model: string;
  /** Milliseconds from the question to the first token, and to the last. */
  readonly firstMs: number | undefined;
  readonly totalMs: number;
  readonly tokensPerSecond: number | undefined;
  readonly usage: Usage | undefined;
}

export type TurnState = 'done' | 'writing' | 'stopped' | 'cut' | 'failed';

export interface Turn {
  readonly id: string;
  /** Undefined: it begins the conversation. */
  readonly parent: string | undefined;
  readonly role: 'user' | 'assistant' | 'tool';
  readonly text: string;
  readonly createdAt: number;
  readonly attachments?: readonly Attachment[];
  readonly reasoning?: string;
  /** Milliseconds that the thought took. */
  readonly reasoningMs?: number;
  readonly toolCalls?: readonly ToolCall[];
  /** Of a tool's result: the call that it answers. */
  readonly toolCallId?: string;
  readonly state: TurnState;
  readonly error?: string;
  readonly figures?: Figures;
}

/** How a conversation's answers are made. */
export interface ChatSettings {
  readonly system: string;
  readonly sampling: Sampling;
  /** Functions in OpenAI's form, as JSON; empty: none. */
  readonly tools: string;
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly isNamed: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly model: string | undefined;
  readonly settings: ChatSettings;
  readonly turns: Readonly<Record<string, Turn>>;
  /** By the id of a turn, or `root`: which of its children is shown. */
  readonly chosen: Readonly<Record<string, string>>;
}

type Turns = Conversation['turns'];

export const ROOT = 'root';
const TITLE_LENGTH = 60;

export function newConversation(settings: ChatSettings, model: string | undefined): Conversation {
  const now = Date.now();
  return { id: newId(), title: 'New chat', isNamed: false, createdAt: now, updatedAt: now, model, settings, turns: {}, chosen: {} };
}

/** The children of a turn (`undefined`: the first turns), in the order in which they were made. */
export function childrenOf({ turns }: Conversation, id: string | undefined): readonly Turn[] {
  return Object.values(turns)
    .filter(({ parent }) => parent === id)
    .toSorted((a, b) => a.createdAt - b.createdAt);
}

/** All turns of a conversation by their parent, each family as {@link childrenOf} has it: in one pass, for pages with many turns. */
export function familiesOf({ turns }: Conversation): ReadonlyMap<string | undefined, readonly Turn[]> {
  const families = new Map<string | undefined, Turn[]>();
  for (const turn of Object.values(turns).toSorted((a, b) => a.createdAt - b.createdAt)) {
    const family = families.get(turn.parent);
    if (family === undefined) families.set(turn.parent, [turn]);
    else family.push(turn);
  }
  return families;
}

/** The turns that are shown, from the first on. */
export function shownTurns(conversation: Conversation): readonly Turn[] {
  const path: Turn[] = [];
  const count = Object.keys(conversation.turns).length;
  let next = conversation.chosen[ROOT];
  // A record that leads back to itself has an end too.
  while (next !== undefined && path.length < count) {
    const turn = conversation.turns[next];
    if (turn === undefined) break;
    path.push(turn);
    next = conversation.chosen[next];
  }
  return path;
}

function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line.length <= TITLE_LENGTH ? line : `${line.slice(0, TITLE_LENGTH).replace(/\s+\S*$/, '')} …`;
}

/** The conversation with one more turn, which is shown. */
export function withTurn(conversation: Conversation, turn: Turn): Conversation {
  const isFirst = turn.parent === undefined && !conversation.isNamed && turn.role === 'user';
  const title = isFirst ? titleOf(turn.text) || turn.attachments?.[0]?.name || conversation.title : conversation.title;
  return {
    ...conversation,
    title,
    updatedAt: Date.now(),
    turns: { ...conversation.turns, [turn.id]: turn },
    chosen: { ...conversation.chosen, [turn.parent ?? ROOT]: turn.id },
  };
}

export function withChangedTurn(conversation: Conversation, id: string, change: Partial<Turn>): Conversation {
  const turn = conversation.turns[id];
  if (turn === undefined) return conversation;
  return { ...conversation, updatedAt: Date.now(), turns: { ...conversation.turns, [id]: { ...turn, ...change } } };
}

/** Shows the next (1) or previous (-1) sibling of a turn, where there is one. */
export function withSibling(conversation: Conversation, id: string, by: 1 | -1): Conversation {
  const turn = conversation.turns[id];
  if (turn === undefined) return conversation;
  const siblings = childrenOf(conversation, turn.parent);
  const sibling = siblings[siblings.findIndex((one) => one.id === id) + by];
  if (sibling === undefined) return conversation;
  return { ...conversation, chosen: { ...conversation.chosen, [turn.parent ?? ROOT]: sibling.id } };
}

/**
 * The conversation with turns that were deleted from it, as it is now otherwise. Of what came before them and was deleted since, `before`
 * has what is needed to lead to them: that comes back too, since no page shows a turn whose parent is not there.
 * @returns also how many turns came back that were not asked for
 */
export function withTurnsBack(
  conversation: Conversation,
  { gone, chosen, before }: { readonly gone: Turns; readonly chosen: Conversation['chosen']; readonly before: Turns },
): { readonly whole: Conversation; readonly more: number } {
  const turns: Record<string, Turn> = { ...gone, ...conversation.turns };
  const shown: Record<string, string> = { ...conversation.chosen, ...chosen };
  let more = 0;
  for (const turn of Object.values(gone))
    for (let { id, parent } = turn; parent !== undefined && turns[parent] === undefined; more++) {
      const ancestor: Turn | undefined = before[parent];
      if (ancestor === undefined) break;
      turns[ancestor.id] = ancestor;
      shown[ancestor.id] ??= id;
      ({ id, parent } = ancestor);
      shown[parent ?? ROOT] ??= id;
    }
  return { whole: { ...conversation, updatedAt: Date.now(), turns, chosen: shown }, more };
}

/** The conversation without a turn and what follows it; the sibling before it is shown. */
export function withoutTurn(conversation: Conversation, id: string): Conversation {
  const turn = conversation.turns[id];
  if (turn === undefined) return conversation;
  const gone = new Set([id]);
  for (const one of Object.values(conversation.turns).toSorted((a, b) => a.createdAt - b.createdAt))
    if (one.parent !== undefined && gone.has(one.parent)) gone.add(one.id);
  const turns = Object.fromEntries(Object.entries(conversation.turns).filter(([key]) => !gone.has(key)));
  const chosen = Object.fromEntries(Object.entries(conversation.chosen).filter(([key, value]) => !gone.has(key) && !gone.has(value)));
  const rest = { ...conversation, turns, chosen, updatedAt: Date.now() };
  const sibling = childrenOf(rest, turn.parent).at(-1);
  if (sibling !== undefined && rest.chosen[turn.parent ?? ROOT] === undefined)
    return { ...rest, chosen: { ...rest.chosen, [turn.parent ?? ROOT]: sibling.id } };
  return rest;
}
