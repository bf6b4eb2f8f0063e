/** Asking a model, and what becomes of its answer: one answer at a time in each chat, in any number of chats. */
import { computed, effect, signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { Finish } from '../transport/transport.ts';
import { whileWriting } from './answer-lock.ts';
import { addPiece, collectAnswer, EMPTY_PARTS } from './answer-parts.ts';
import type { AnswerParts, Clock } from './answer-parts.ts';
import { childrenOf, shownTurns, withChangedTurn, withTurn } from './conversation.ts';
import type { Attachment, Conversation, Turn } from './conversation.ts';
import { change, conversations, current, currentId, keep, startConversation } from './conversations.ts';
import { messagesOf, toolsOf } from './messages.ts';
import { ensureLoaded, model, modelsFailure, nameOf, refreshModels, transportInUse } from './models.ts';
import { newId } from './new-id.ts';
import { tell, tellFailure } from './notices.ts';

export interface Running {
  readonly turn: string;
  /** What it has said so far. */
  readonly parts: { readonly value: AnswerParts };
  readonly stop: () => void;
}

/** By the id of a conversation. */
export const running = signal<ReadonlyMap<string, Running>>(new Map());
export const currentRunning = computed(() => (currentId.value === undefined ? undefined : running.value.get(currentId.value)));

/**
 * An answer of the chat is on its way, in this tab or in another one. Without locks nobody can say whether another tab still writes, so
 * that there only this one counts.
 */
function isBusy(conversation: Conversation): boolean {
  if (running.value.has(conversation.id)) return true;
  return navigator.locks !== undefined && shownTurns(conversation).at(-1)?.state === 'writing';
}
export const isCurrentBusy = computed(() => current.value !== undefined && isBusy(current.value));

/** How often a chat is kept while its answer is written, so that a page that goes has most of it, and other tabs see it. */
const KEPT_EVERY_MS = 1000;
/** A text is drawn anew with each frame until it is long: then its last block may be, and takes longer than a frame has. */
const LETTERS_A_MS = 200;
const MOST_WAIT_MS = 500;

function setRunning(id: string, one: Running | undefined): void {
  const next = new Map(running.value);
  if (one === undefined) next.delete(id);
  else next.set(id, one);
  running.value = next;
}

// A chat that is deleted takes its answer with it, and so does a turn.
effect(() => {
  if (running.value.size === 0) return;
  const all = new Map(conversations.value.map((one) => [one.id, one]));
  for (const [id, one] of running.value) if (all.get(id)?.turns[one.turn] === undefined) one.stop();
});

function conversationOf(id: string): Conversation | undefined {
  return conversations.value.find((one) => one.id === id);
}

/** What a stream leads to, as a change of its turn. */
function endOf(
  parts: AnswerParts,
  clock: Clock,
  told: { finish: Finish | undefined; error: unknown; isStopped: boolean },
): Partial<Turn> {
  const { finish, error, isStopped } = told;
  const state = isStopped ? 'stopped' : error !== undefined ? 'failed' : finish === 'length' ? 'cut' : 'done';
  return {
    ...collectAnswer(parts, clock),
    state,
    ...(state === 'failed' ? { error: error instanceof Error ? error.message : String(error) } : { error: undefined }),
  };
}

/** An answer on its way. */
interface Stream {
  /** Of its conversation. */
  readonly id: string;
  /** What it is written into, behind what that has. */
  readonly turn: Turn;
  readonly modelId: string;
  readonly signal: AbortSignal;
  readonly shown: Signal<AnswerParts>;
}

/** Writes an answer to its end, whatever that is, and until it is kept. Never rejects. */
async function writeAnswer({ id, turn, modelId, signal: stopped, shown }: Stream): Promise<void> {
  const conversation = conversationOf(id);
  if (conversation === undefined) return setRunning(id, undefined);
  const clock: Clock = { model: nameOf(modelId), askedAt: performance.now(), count: 0 };
  let parts = shown.value;
  let finish: Finish | undefined;
  let error: unknown;
  let frame = 0;
  let keptAt = -Infinity;
  let drawnAt = -Infinity;
  const draw = (now: number) => {
    frame = 0;
    if (now - drawnAt < Math.min(MOST_WAIT_MS, parts.text.length / LETTERS_A_MS)) return void (frame = requestAnimationFrame(draw));
    drawnAt = now;
    shown.value = parts;
  };
  void change(id, (one) => withChangedTurn(one, turn.id, { state: 'writing', error: undefined }));
  try {
    const loaded = await ensureLoaded(modelId, stopped);
    clock.askedAt = performance.now();
    const messages = await messagesOf(conversation, turn);
    const { sampling } = conversation.settings;
    const request = { model: loaded, messages, sampling, tools: toolsOf(conversation.settings), signal: stopped };
    for await (const piece of transportInUse().answer(request)) {
      parts = addPiece(parts, piece, clock);
      finish = piece.finish ?? finish;
      if (frame === 0) frame = requestAnimationFrame(draw);
      if (performance.now() - keptAt < KEPT_EVERY_MS) continue;
      keptAt = performance.now();
      void change(id, (one) => withChangedTurn(one, turn.id, collectAnswer(parts, clock)));
    }
  } catch (caught) {
    error = caught;
    // The model may have gone with it.
    if (transportInUse().kind === 'browser' && !stopped.aborted) void refreshModels();
  }
  cancelAnimationFrame(frame);
  const end = endOf(parts, clock, { finish, error, isStopped: stopped.aborted });
  const kept = change(id, (one) => withChangedTurn(one, turn.id, end));
  setRunning(id, undefined);
  await kept;
}

/** Has a turn that is there written by a model, by this tab alone. */
async function stream(id: string, turn: Turn, modelId: string): Promise<void> {
  const controller = new AbortController();
  const shown = signal<AnswerParts>({ ...EMPTY_PARTS, text: turn.text, reasoning: turn.reasoning ?? '' });
  setRunning(id, { turn: turn.id, parts: shown, stop: () => controller.abort() });
  if (await whileWriting(turn.id, () => writeAnswer({ id, turn, modelId, signal: controller.signal, shown }))) return;
  setRunning(id, undefined);
  tell('Another tab writes this answer.');
}

function newTurn(role: Turn['role'], parent: string | undefined, text: string): Turn {
  return { id: newId(), parent, role, text, createdAt: Date.now(), state: 'done' };
}

function tellNoModel(): void {
  tell(modelsFailure.value ?? 'There is no model to ask. Choose one first.');
}

/** A model's answer to a turn, beside those that it may have. */
function answerTo(conversation: Conversation, parent: string): void {
  if (isBusy(conversation)) return;
  const chosen = model.value;
  if (chosen === undefined) {
    tellNoModel();
    return;
  }
  try {
    toolsOf(conversation.settings);
  } catch (error) {
    tellFailure(error);
    return;
  }
  // Turns are ordered by their time: an answer comes behind its siblings also where a clock stands.
  const last = childrenOf(conversation, parent).at(-1)?.createdAt ?? 0;
  const turn: Turn = { ...newTurn('assistant', parent, ''), createdAt: Math.max(Date.now(), last + 1), state: 'writing' };
  void keep(withTurn({ ...conversation, model: chosen.id }, turn));
  void stream(conversation.id, turn, chosen.id);
}

/** Whether the message was taken. */
export function send(text: string, attachments: readonly Attachment[] = []): boolean {
  if ((text.trim() === '' && attachments.length === 0) || currentRunning.value !== undefined) return false;
  if (isCurrentBusy.value) {
    tell('Another tab writes an answer in this chat.');
    return false;
  }
  if (model.value === undefined) {
    tellNoModel();
    return false;
  }
  const conversation = current.value ?? startConversation();
  const parent = shownTurns(conversation).at(-1)?.id;
  const turn: Turn = { ...newTurn('user', parent, text.trim()), ...(attachments.length === 0 ? {} : { attachments }) };
  const asked = withTurn(conversation, turn);
  void keep(asked);
  answerTo(asked, turn.id);
  return true;
}

export function stop(): void {
  currentRunning.value?.stop();
}

/** Another answer to the same question, beside this one. */
export function regenerate(id: string): void {
  const conversation = current.value;
  const turn = conversation?.turns[id];
  if (conversation !== undefined && turn?.parent !== undefined) answerTo(conversation, turn.parent);
}

/** A question put differently, beside the one that is there, with a new answer; of an answer, its text as a person would have it. */
export function edit(id: string, text: string): void {
  const conversation = current.value;
  const turn = conversation?.turns[id];
  if (conversation === undefined || turn === undefined || isBusy(conversation)) return;
  const last = childrenOf(conversation, turn.parent).at(-1)?.createdAt ?? 0;
  // Without locks it may be written elsewhere; nobody writes the copy.
  const state = turn.state === 'writing' ? 'stopped' : turn.state;
  const own = { id: newId(), text: text.trim(), createdAt: Math.max(Date.now(), last + 1), state } as const;
  const changed = withTurn(conversation, { ...turn, ...own });
  void keep(changed);
  if (turn.role === 'user') answerTo(changed, own.id);
}

/** Lets the model go on with an answer that was stopped or cut. */
export function goOn(id: string): void {
  const conversation = current.value;
  const turn = conversation?.turns[id];
  if (conversation === undefined || turn === undefined || model.value === undefined || isBusy(conversation)) return;
  void stream(conversation.id, turn, model.value.id);
}

/** What the called functions gave, in the order of the calls, and the model's next answer. */
export function giveResults(id: string, results: readonly string[]): void {
  const conversation = current.value;
  const turn = conversation?.turns[id];
  if (conversation === undefined || turn?.toolCalls === undefined || isBusy(conversation)) return;
  let [changed, parent] = [conversation, id];
  for (const [index, call] of turn.toolCalls.entries()) {
    const result: Turn = { ...newTurn('tool', parent, results[index] ?? ''), toolCallId: call.id };
    changed = withTurn(changed, result);
    parent = result.id;
  }
  void keep(changed);
  answerTo(changed, parent);
}

/** A chat of its own that goes as far as this turn. */
export function fork(id: string): void {
  const conversation = current.value;
  if (conversation === undefined) return;
  const path = shownTurns(conversation);
  const kept = path.slice(0, path.findIndex((turn) => turn.id === id) + 1);
  const now = Date.now();
  let made: Conversation = { ...conversation, id: newId(), turns: {}, chosen: {}, createdAt: now, isNamed: true };
  for (const turn of kept) made = withTurn(made, turn.state === 'writing' ? { ...turn, state: 'stopped' } : turn);
  void keep(made);
  currentId.value = made.id;
  tell('The chat goes on in a copy.');
}
