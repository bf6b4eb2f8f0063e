/** Two tabs that write one chat: what becomes of it, case by case and by chance. */
import { describe, expect, it } from 'vitest';
import { mergeConversations } from '../../app/state/merge-conversations.ts';
import { childrenOf, newConversation, shownTurns, withChangedTurn, withoutTurn, withTurn } from '../../app/state/conversation.ts';
import type { Conversation, Turn } from '../../app/state/conversation.ts';
import { randomSource } from '../../src/tensor/codec/random-weights.ts';

let clock = 0;
const turn = (id: string, parent: string | undefined, rest: Partial<Turn> = {}): Turn => ({
  id,
  parent,
  role: 'user',
  text: id,
  createdAt: ++clock,
  state: 'done',
  ...rest,
});
const empty = newConversation({ system: '', sampling: {}, tools: '' }, undefined);
const base = withTurn(withTurn(empty, turn('q', undefined)), turn('a', 'q', { role: 'assistant' }));
const texts = (one: Conversation) => shownTurns(one).map(({ text }) => text);

describe('mergeConversations', () => {
  it('shows what the other tab went on with', () => {
    const merged = mergeConversations({ base, theirs: withTurn(base, turn('q2', 'a')), ours: base });
    expect(texts(merged)).toEqual(['q', 'a', 'q2']);
  });

  it('keeps both branches as versions, and shows its own', () => {
    const [theirs, ours] = [withTurn(base, turn('t', 'a')), withTurn(base, turn('o', 'a'))];
    for (const [merged, shown] of [
      [mergeConversations({ base, theirs, ours }), 'o'],
      [mergeConversations({ base, theirs: ours, ours: theirs }), 't'],
    ] as const) {
      expect(childrenOf(merged, 'a').map(({ id }) => id)).toEqual(['t', 'o']);
      expect(texts(merged).at(-1)).toBe(shown);
    }
  });

  it('takes the answer that has gone further, and of an end the one that says more', () => {
    const writing = withChangedTurn(base, 'a', { state: 'writing', text: 'On' });
    const done = withChangedTurn(writing, 'a', { state: 'done', text: 'Once' });
    const stopped = withChangedTurn(writing, 'a', { state: 'stopped' });
    for (const [theirs, ours] of [[done, stopped], [stopped, done]] as const)
      expect(mergeConversations({ base: writing, theirs, ours }).turns['a']).toMatchObject({ state: 'done', text: 'Once' });
    const ended = withChangedTurn(writing, 'a', { state: 'done' });
    expect(mergeConversations({ base: writing, theirs: stopped, ours: ended }).turns['a']!.state).toBe('done');
  });

  it('keeps the longer thought and the longer calls, also beside a tab that takes the writer for gone', () => {
    const call = { id: 'c', name: 'sum', arguments: '{"a"' };
    const writing = withChangedTurn(base, 'a', { state: 'writing', text: '', reasoning: 'So' });
    const thought = withChangedTurn(writing, 'a', { reasoning: 'So it is' });
    const calls = withChangedTurn(thought, 'a', { toolCalls: [call] });
    const called = withChangedTurn(calls, 'a', { toolCalls: [{ ...call, arguments: '{"a": 1}' }] });
    const watched = withChangedTurn(writing, 'a', { state: 'stopped' });
    const before = withChangedTurn(writing, 'a', { reasoning: '' });
    for (const [less, more] of [[watched, thought], [writing, thought], [thought, calls], [calls, called]] as const)
      for (const [theirs, ours] of [[less, more], [more, less]] as const)
        expect(mergeConversations({ base: before, theirs, ours }).turns['a']).toEqual(more.turns['a']);
  });

  it('takes no place of a version that is there', () => {
    const text = (chat: Conversation, words: string) => withChangedTurn(chat, 'a', { text: words });
    const first = mergeConversations({ base, theirs: text(base, 'one'), ours: text(base, 'two') });
    const second = mergeConversations({ base: first, theirs: text(first, 'red'), ours: text(first, 'blue') });
    expect(childrenOf(second, 'q').map((one) => one.text)).toEqual(['red', 'two', 'blue']);
    const again = mergeConversations({ base: first, theirs: second, ours: text(first, 'blue sky') });
    expect(childrenOf(again, 'q').map((one) => one.text)).toEqual(['red', 'two', 'blue sky']);
  });

  it('keeps two texts that went their own ways as two versions', () => {
    const [theirs, ours] = [withChangedTurn(base, 'a', { text: 'a, and so on' }), withChangedTurn(base, 'a', { text: 'a. The end' })];
    const merged = mergeConversations({ base, theirs, ours });
    expect(childrenOf(merged, 'q').map(({ text }) => text)).toEqual(['a, and so on', 'a. The end']);
  });

  it('lets a deleted turn go, but not from under what was written behind it meanwhile', () => {
    const without = withoutTurn(base, 'a');
    expect(Object.keys(mergeConversations({ base, theirs: without, ours: base }).turns)).toEqual(['q']);
    expect(Object.keys(mergeConversations({ base, theirs: base, ours: without }).turns)).toEqual(['q']);
    const merged = mergeConversations({ base, theirs: without, ours: withTurn(base, turn('q3', 'a')) });
    expect(texts(merged)).toEqual(['q', 'a', 'q3']);
  });

  it('takes a name and settings from whoever changed them', () => {
    const named = { ...base, title: 'Hens', isNamed: true };
    const set = { ...base, settings: { ...base.settings, system: 'Be brief.' } };
    for (const [theirs, ours] of [[named, set], [set, named]] as const)
      expect(mergeConversations({ base, theirs, ours })).toMatchObject({ title: 'Hens', isNamed: true, settings: { system: 'Be brief.' } });
  });
});

/** A tab, and the disk, as `chat-store.ts` has them. */
function twoTabs(next: () => number) {
  const disk = { value: base };
  const tabs = [base, base].map((one) => ({ seen: one, own: one }));
  const pick = <One>(all: readonly One[]): One | undefined => all[Math.floor(next() * all.length)];
  const change = (one: Conversation, name: string): Conversation => {
    const parent = pick([undefined, ...Object.keys(one.turns)]);
    const what = next();
    if (what < 0.7 || parent === undefined) return withTurn(one, turn(name, parent));
    if (what < 0.85) return withChangedTurn(one, parent, { text: `${one.turns[parent]!.text} ${name}` });
    return withoutTurn(one, parent);
  };
  const write = (tab: (typeof tabs)[number]) => {
    disk.value = mergeConversations({ base: tab.seen, theirs: disk.value, ours: tab.own });
    tab.seen = tab.own = disk.value;
  };
  const hear = (tab: (typeof tabs)[number]) => {
    const ours = mergeConversations({ base: tab.seen, theirs: disk.value, ours: tab.own });
    [tab.seen, tab.own] = [disk.value, ours];
  };
  return { tabs, change, write, hear };
}

it('loses nothing by chance, and has both tabs agree in the end', () => {
  for (let round = 0; round < 200; round++) {
    const next = randomSource(round + 1);
    const { tabs, change, write, hear } = twoTabs(next);
    const made = new Set<string>();
    for (let step = 0; step < 12; step++) {
      const tab = tabs[Number(next() < 0.5)]!;
      const name = `${round}-${step}`;
      const before = tab.own;
      tab.own = change(tab.own, name);
      if (tab.own.turns[name] !== undefined) made.add(name);
      for (const id of Object.keys(before.turns)) if (tab.own.turns[id] === undefined) made.delete(id);
      if (next() < 0.6) write(tab);
      if (next() < 0.4) hear(tabs[Number(next() < 0.5)]!);
    }
    for (const tab of [...tabs, ...tabs]) write(tab);
    for (const tab of tabs) hear(tab);
    const [one, two] = tabs.map(({ own }) => own) as [Conversation, Conversation];
    const facts = ({ turns }: Conversation) => Object.values(turns).map(({ id, text, parent }) => [id, text, parent]).toSorted();
    expect(facts(one)).toEqual(facts(two));
    for (const { parent } of Object.values(one.turns)) if (parent !== undefined) expect(one.turns[parent]).toBeDefined();
    for (const id of made) expect(one.turns[id], `${id} of round ${round}`).toBeDefined();
    for (const { own } of tabs) expect(shownTurns(own).length > 0).toBe(childrenOf(own, undefined).length > 0);
  }
});
