/** Chats under what a person calls their age. */
import type { Conversation } from './conversation.ts';

const DAY_MS = 86_400_000;
const MONTHS = new Intl.DateTimeFormat(undefined, { month: 'long', year: 'numeric' });

function ageOf(time: number, today: number): string {
  if (time >= today) return 'Today';
  if (time >= today - DAY_MS) return 'Yesterday';
  if (time >= today - 7 * DAY_MS) return 'The last 7 days';
  return MONTHS.format(time);
}

/** @param all the newest first */
export function groupByAge(all: readonly Conversation[]): ReadonlyMap<string, readonly Conversation[]> {
  const today = new Date().setHours(0, 0, 0, 0);
  const groups = new Map<string, Conversation[]>();
  for (const one of all) {
    const age = ageOf(one.updatedAt, today);
    const group = groups.get(age);
    if (group === undefined) groups.set(age, [one]);
    else group.push(one);
  }
  return groups;
}
