/** What two tabs made of one chat, as one chat: nothing that either of them wrote is lost, and what both wrote stands side by side. */
import { familiesOf, ROOT } from './conversation.ts';
import type { ToolCall } from '../transport/transport.ts';
import type { Conversation, Turn, TurnState } from './conversation.ts';

export interface Sides {
  /** What both began with; undefined: nothing. */
  readonly base: Conversation | undefined;
  /** What is on the disk, by another tab. */
  readonly theirs: Conversation;
  /** This tab's. */
  readonly ours: Conversation;
}

type Turns = Readonly<Record<string, Turn>>;

/** Files of a turn never change. */
function isSameTurn(a: Turn, b: Turn): boolean {
  if (a === b) return true;
  const isSameText = a.text === b.text && a.reasoning === b.reasoning && a.state === b.state && a.error === b.error;
  const rest = ({ toolCalls, figures }: Turn) => JSON.stringify([toolCalls, figures]);
  return isSameText && rest(a) === rest(b);
}

/** How an answer may end, the later the more it says: a tab that only sees that a writer is gone says `stopped`. */
const STATES: readonly TurnState[] = ['writing', 'stopped', 'failed', 'cut', 'done'];

/** Whether a turn says all that an earlier one says: its text, its thought and its calls. */
function goesOn(later: Turn, earlier: Turn): boolean {
  const { text, reasoning = '', toolCalls = [] } = earlier;
  const isCalled = ({ id, name, arguments: given }: ToolCall, at: number) => {
    const call = later.toolCalls?.[at];
    return call?.id === id && call.name.startsWith(name) && call.arguments.startsWith(given);
  };
  return later.text.startsWith(text) && (later.reasoning ?? '').startsWith(reasoning) && toolCalls.every(isCalled);
}

/**
 * Of a turn that both tabs changed: the one that says more, whatever a tab that only watches makes of its state; where both say the same,
 * the one whose end says more, and then the one that was timed longer. Undefined where neither goes on from the other.
 */
function further(theirs: Turn, ours: Turn): Turn | undefined {
  const [isTheirs, isOurs] = [goesOn(theirs, ours), goesOn(ours, theirs)];
  if (isTheirs !== isOurs) return isTheirs ? theirs : ours;
  if (!isTheirs) return undefined;
  const later = STATES.indexOf(theirs.state) - STATES.indexOf(ours.state);
  const longer = (theirs.figures?.totalMs ?? -1) - (ours.figures?.totalMs ?? -1);
  return (later || longer) > 0 ? theirs : ours;
}

/** A turn that both tabs have; undefined where each wrote a text of its own. */
function mergedTurn(base: Turn | undefined, theirs: Turn, ours: Turn): Turn | undefined {
  if (isSameTurn(theirs, ours)) return ours;
  if (base !== undefined && isSameTurn(theirs, base)) return ours;
  if (base !== undefined && isSameTurn(ours, base)) return theirs;
  return further(theirs, ours);
}

/** Another version behind a turn: in the place of one that it goes on from, or that says as much, else by an id that nothing has. */
function versionBehind(turn: Turn, there: (id: string) => Turn | undefined): Turn {
  for (let number = 2; ; number++) {
    const version = { ...turn, id: `${turn.id}-${number}`, createdAt: turn.createdAt + number - 1 };
    const other = there(version.id);
    const one = other === undefined ? version : further(other, version);
    if (one !== undefined && (other === undefined || other.parent === turn.parent)) return one;
  }
}

/** Turns of both tabs. One that either of them deleted is gone, unless the other one has gone on from it since. */
function mergedTurns(base: Turns, theirs: Turns, ours: Turns): Turns {
  const merged = new Map<string, Turn>();
  const deleted = new Map<string, Turn>();
  /** Of this tab, beside another text of the other one. */
  const apart: Turn[] = [];
  for (const id of new Set([...Object.keys(theirs), ...Object.keys(ours)])) {
    const [their, our] = [theirs[id], ours[id]];
    if (their !== undefined && our !== undefined) {
      const one = mergedTurn(base[id], their, our);
      merged.set(id, one ?? their);
      if (one === undefined) apart.push(our);
    } else (base[id] !== undefined ? deleted : merged).set(id, (their ?? our)!);
  }
  for (const turn of apart) {
    const version = versionBehind(turn, (id) => merged.get(id) ?? deleted.get(id));
    merged.set(version.id, version);
  }
  for (const { parent } of Array.from(merged.values()))
    for (let id = parent; id !== undefined && !merged.has(id);) {
      const turn = deleted.get(id);
      if (turn === undefined) break;
      merged.set(id, turn);
      id = turn.parent;
    }
  return Object.fromEntries(merged);
}

/** Which versions are shown: those that this tab shows stay, so that nobody's page turns under their eyes. */
function mergedChoices({ theirs, ours }: Sides, conversation: Conversation): Readonly<Record<string, string>> {
  const { turns } = conversation;
  const isThere = ([parent, child]: readonly [string, string]) =>
    turns[child] !== undefined && (turns[child].parent ?? ROOT) === parent;
  const chosen = Object.fromEntries([...Object.entries(theirs.chosen), ...Object.entries(ours.chosen)].filter(isThere));
  for (const [parent, family] of familiesOf(conversation)) chosen[parent ?? ROOT] ??= family.at(-1)!.id;
  return chosen;
}

/** @returns the chat as this tab has it, with what the other one did to it */
export function mergeConversations(sides: Sides): Conversation {
  const { base, theirs, ours } = sides;
  const isNewer = theirs.updatedAt > ours.updatedAt;
  const either = <Value>(of: (one: Conversation) => Value): Value => {
    const [before, their, our] = [base, theirs, ours].map((one) => JSON.stringify(one && of(one)));
    if (their === our || their === before) return of(ours);
    return our === before || isNewer ? of(theirs) : of(ours);
  };
  const merged: Conversation = {
    ...ours,
    ...either(({ title, isNamed }) => ({ title, isNamed })),
    model: either(({ model }) => model),
    settings: either(({ settings }) => settings),
    updatedAt: Math.max(theirs.updatedAt, ours.updatedAt),
    turns: mergedTurns(base?.turns ?? {}, theirs.turns, ours.turns),
  };
  return { ...merged, chosen: mergedChoices(sides, merged) };
}
