/** Chats that are deleted and come back, while the disk takes its time, or fails. */
import { beforeEach, expect, it, vi } from 'vitest';
import { newConversation, shownTurns, withoutTurn, withTurn } from '../../app/state/conversation.ts';
import type { Conversation, Turn } from '../../app/state/conversation.ts';

/** A disk that does one thing after the other, each once what is before it is done. */
const disk = vi.hoisted(() => {
  const heard: ((event: { data: unknown }) => void)[] = [];
  vi.stubGlobal(
    'BroadcastChannel',
    class {
      addEventListener(_: string, listener: (event: { data: unknown }) => void) {
        heard.push(listener);
      }
      postMessage() {}
    },
  );
  // No locks.
  vi.stubGlobal('navigator', {});
  const state = {
    records: new Map<string, any>(),
    gate: Promise.resolve(),
    fault: undefined as Error | undefined,
    hear: (data: unknown) => heard.forEach((listener) => listener({ data })),
    /** @returns what lets the disk go on */
    hold(): () => void {
      let release!: () => void;
      state.gate = new Promise<void>((resolve) => (release = resolve));
      return release;
    },
    queue: Promise.resolve() as Promise<unknown>,
    inTurn<Result>(work: () => Result): Promise<Result> {
      const { gate } = state;
      const done = state.queue.then(() => gate).then(work);
      state.queue = done.catch(() => {});
      return done;
    },
  };
  return state;
});

vi.mock('../../app/state/database.ts', () => {
  const failing = (work: () => void) => () => {
    if (disk.fault !== undefined) throw disk.fault;
    work();
  };
  return {
    readConversations: () => disk.inTurn(() => [...disk.records.values()]),
    readConversation: (id: string) => disk.inTurn(() => disk.records.get(id)),
    updateConversation: (id: string, by: (stored: any) => any) =>
      disk.inTurn(() => {
        const next = by(disk.records.get(id));
        if (next !== undefined) disk.records.set(id, next);
        return next;
      }),
    deleteConversation: (id: string) => disk.inTurn(failing(() => void disk.records.delete(id))),
    deleteAllConversations: () => disk.inTurn(failing(() => disk.records.clear())),
  };
});

const { change, conversations, currentId, keep, remove, removeAll, removeTurn, show } = await import('../../app/state/conversations.ts');
const { notices, undoLast } = await import('../../app/state/notices.ts');

let clock = 0;
const turn = (id: string, parent: string | undefined, rest: Partial<Turn> = {}): Turn => ({
  id, parent, role: 'user', text: id, createdAt: ++clock, state: 'done', ...rest,
});
const empty = () => newConversation({ system: '', sampling: {}, tools: '' }, undefined);
const texts = (id: string) => shownTurns(conversations.value.find((one) => one.id === id)!).map(({ text }) => text);
const told = () => notices.value.map(({ text }) => text);
/** All that was begun is done. */
const settle = async () => {
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve));
    await disk.queue;
  }
};

/** A chat of a question and its answer, on the disk. */
async function kept(rest: Partial<Turn> = {}): Promise<Conversation> {
  const chat = withTurn(withTurn(empty(), turn('q', undefined)), turn('a', 'q', { role: 'assistant', ...rest }));
  await keep(chat);
  show(chat.id);
  return chat;
}

beforeEach(async () => {
  disk.fault = undefined;
  removeAll();
  await settle();
  notices.value = [];
});

it('a chat comes back that was deleted while it was written', async () => {
  const { id } = await kept();
  const release = disk.hold();
  void change(id, (one) => ({ ...one, title: 'first' }));
  void change(id, (one) => ({ ...one, title: 'second' }));
  await new Promise((resolve) => setTimeout(resolve));
  remove(id);
  expect(conversations.value).toEqual([]);
  undoLast();
  release();
  await settle();
  expect([conversations.value.map(({ title }) => title), disk.records.get(id)?.title]).toEqual([['second'], 'second']);
  expect([currentId.value, told()]).toEqual([id, []]);
  // It is this tab's as before: what is written next is not taken for a chat that another tab deleted.
  await change(id, (one) => ({ ...one, title: 'third' }));
  expect([conversations.value.map(({ title }) => title), disk.records.get(id)?.title]).toEqual([['third'], 'third']);
});

it('a chat comes back of which another tab told before, or while it is not on the disk again', async () => {
  const { id } = await kept();
  let release = disk.hold();
  disk.hear({ id, isGone: false });
  remove(id);
  disk.hear({ id, isGone: false });
  undoLast();
  release();
  await settle();
  expect([conversations.value.length, disk.records.has(id), told()]).toEqual([1, true, []]);
  release = disk.hold();
  disk.hear({ id, isGone: false });
  remove(id);
  release();
  await settle();
  expect([conversations.value, disk.records.has(id)]).toEqual([[], false]);
});

it('each of two deletions can be undone', async () => {
  const [first, second] = [await kept(), await kept()];
  remove(first.id);
  remove(second.id);
  expect(told()).toEqual(['The chat was deleted.', 'The chat was deleted.']);
  undoLast();
  expect(conversations.value.map(({ id }) => id)).toEqual([second.id]);
  undoLast();
  await settle();
  expect(new Set(disk.records.keys())).toEqual(new Set([first.id, second.id]));
});

it('a message that comes back brings nothing else back, and changes no other version', async () => {
  const { id } = await kept();
  await change(id, (one) => withTurn(withTurn(withTurn(one, turn('q2', 'a')), turn('other', undefined)), turn('o2', 'other')));
  removeTurn(id, 'q2');
  await change(id, (one) => withoutTurn(one, 'o2'));
  undoLast();
  await settle();
  const now = conversations.value[0]!;
  expect(Object.keys(now.turns).toSorted()).toEqual(['a', 'other', 'q', 'q2']);
  expect([now.chosen['root'], now.chosen['a'], texts(id)]).toEqual(['other', 'q2', ['other']]);
});

it('a message that comes back before one that it follows brings that one with it, which is said', async () => {
  const { id } = await kept();
  await change(id, (one) => withTurn(withTurn(one, turn('q2', 'a')), turn('a2', 'q2')));
  removeTurn(id, 'q2');
  const [later] = notices.value;
  removeTurn(id, 'q');
  expect(texts(id)).toEqual([]);
  // Not the newest: that of the message.
  later!.undo!();
  expect(texts(id)).toEqual(['q', 'a', 'q2', 'a2']);
  expect(told().at(-1)).toBe('The message is back, and with it what it follows, which had been deleted since.');
  undoLast();
  await settle();
  expect(texts(id)).toEqual(['q', 'a', 'q2', 'a2']);
  expect(shownTurns(disk.records.get(id) as Conversation).map(({ text }) => text)).toEqual(['q', 'a', 'q2', 'a2']);
});

it('an answer that was being written when it was deleted has stopped when it comes back, where nothing tells who writes', async () => {
  const { id } = await kept({ state: 'writing' });
  removeTurn(id, 'a');
  undoLast();
  expect(conversations.value[0]!.turns['a']!.state).toBe('stopped');
  await change(id, (one) => ({ ...one, turns: { ...one.turns, a: { ...one.turns['a']!, state: 'writing' } } }));
  remove(id);
  undoLast();
  expect(conversations.value[0]!.turns['a']!.state).toBe('stopped');
  await settle();
});

it('a chat that cannot be deleted is there again, which is said', async () => {
  const { id } = await kept();
  disk.fault = new Error('the disk is broken');
  remove(id);
  await settle();
  expect([conversations.value.map((one) => one.id), currentId.value]).toEqual([[id], id]);
  expect(told()).toEqual(['This browser did not delete the chat: the disk is broken']);
  removeAll();
  await settle();
  expect(conversations.value.map((one) => one.id)).toEqual([id]);
  expect(told().at(-1)).toBe('This browser did not delete the chats: the disk is broken');
});
