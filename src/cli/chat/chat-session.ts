/** The conversation of `ingot chat`: messages and commands in, answers out. */
import type { ChatMessage, ChatOptions, FinalPiece, Model, SendOptions } from '../../engine/api.ts';
import { formatBytes } from '../../tensor/format-bytes.ts';
import { droppedNote, endingNote, figuresLine } from '../answer-figures.ts';
import { createAnswerPrinter, streamAnswer } from '../answer-printer.ts';
import { EXIT, Interruption, isBrokenPipe, messageOf } from '../exit-codes.ts';
import type { Interrupts } from '../interrupts.ts';
import type { MessageSource } from '../message-source.ts';
import type { DeviceOptions } from '../model-options.ts';
import { createProgressDisplay } from '../progress-display.ts';
import { formatCount, plural, withThousands } from '../quantities.ts';
import { printable } from '../terminal.ts';
import type { OutputStream, Terminal } from '../terminal.ts';
import { wrapText } from '../word-wrapper.ts';
import { parseChatLine } from './chat-commands.ts';
import { countAnswer, lastAnswer, lastAsked, messageFor, NO_FIGURES, putHistory, withImages } from './conversation.ts';
import type { Conversation, OpenModel } from './conversation.ts';
import { callNote, obeyCommand } from './obey-command.ts';
import type { CommandPlace } from './obey-command.ts';

export interface ChatSessionOptions {
  /** The session's from here on: it disposes it, and any other that takes its place. */
  readonly model: Model;
  readonly path: string | undefined;
  readonly device: DeviceOptions;
  readonly openModel: OpenModel;
  /** Takes the terminal over; called when the conversation can begin. */
  openMessages(): MessageSource;
  readonly screen: Terminal;
  readonly progressStream: OutputStream;
  /** A person is there: prompts are shown, and an error does not end the conversation. */
  readonly isInteractive: boolean;
  /** Of the first chat; others go on with them as commands leave them. */
  readonly options: ChatOptions;
  /** How the model thinks where it does. */
  readonly reasoning: ChatOptions['reasoning'];
  /** A saved chat to begin with. */
  readonly resume?: string | undefined;
  /** Answers as the model writes them, with their marks. */
  readonly isPlain: boolean;
  /** The user's editor; undefined where nobody is there. */
  readonly edit?: ((text: string) => string) | undefined;
  /** Called when an answer has become a part of the conversation. @returns how to resume it, for the end */
  readonly keep?: ((state: Conversation) => Promise<string>) | undefined;
  /** Ends the session when it aborts. */
  readonly signal: AbortSignal;
  readonly onInterrupt: Interrupts['onInterrupt'];
}

/** Options with the messages that have been opened. */
type Session = ChatSessionOptions & {
  readonly messages: MessageSource;
  /** What is said at the end of how to go on. */
  readonly farewell: { text: string };
};

/** @throws Interruption where Ctrl-C ended the session; what an answer threw, where nobody is there to read it */
export async function runChatSession(options: ChatSessionOptions): Promise<void> {
  const { model, screen, isInteractive, path, device, reasoning, resume } = options;
  const nothing = { droppedTurns: 0, figures: { ...NO_FIGURES }, images: [], results: [] };
  const state = { model, path, device, reasoning, ...nothing } as unknown as Conversation;
  try {
    state.chat = resume === undefined ? model.createChat(options.options) : await model.loadChat(resume);
    if (isInteractive) screen.write(banner(model, screen));
    if (isInteractive && resume !== undefined) showLast(state, options);
    const messages = options.openMessages();
    const session: Session = { ...options, messages, farewell: { text: '' } };
    if (isInteractive) options.onInterrupt(messages.interrupt);
    try {
      await converse(state, session);
    } finally {
      messages.close();
    }
  } finally {
    await state.model.dispose();
  }
}

async function converse(state: Conversation, session: Session): Promise<void> {
  for (;;) {
    const line = await nextMessage(session);
    const command = line === undefined ? LEAVING : parseChatLine(line);
    switch (command.kind) {
      case 'nothing':
        break;
      case 'wrong':
        say(session, command.reason);
        break;
      case 'message':
        await ask(command.text, state, session);
        break;
      case 'command':
        if (command.name === 'exit') return sayGoodbye(session);
        await obey(command.name, command.argument, { state, session });
        break;
      default:
        throw new Error(`unknown line ${JSON.stringify(command satisfies never)}`);
    }
  }
}

const LEAVING = { kind: 'command', name: 'exit', argument: '' } as const;

function say({ screen }: Pick<Session, 'screen'>, text: string): void {
  screen.write(`${screen.dim(wrapText(text, screen.columns()))}\n`);
}

function banner({ info }: Model, screen: Terminal): string {
  const facts = [info.architecture, `${formatCount(info.parameters)} parameters`, info.quantisation, formatBytes(info.sizeBytes)];
  const lines = [
    `${screen.bold(printable(info.name))}  ${screen.dim(printable(facts.join(', ')))}`,
    `on ${screen.bold(info.deviceDescription)}${screen.dim(`, context ${withThousands(info.contextLength)} tokens`)}`,
    screen.dim('/help lists commands, Ctrl-C stops an answer, Ctrl-D leaves'),
  ];
  return `${lines.map((line) => wrapText(line, screen.columns())).join('\n')}\n\n`;
}

/** Of a conversation that is gone on with: how long it is, and what was said last. */
function showLast({ chat }: Conversation, session: Pick<Session, 'screen' | 'isPlain'>): void {
  const { screen, isPlain } = session;
  say(session, `a conversation of ${plural(chat.history.length, 'message')}, which ends:`);
  const asked = lastAsked(chat.history);
  if (asked !== undefined) screen.write(`${screen.dim('> ')}${asked.text.split('\n').map(printable).join(`\n${screen.dim('. ')}`)}\n`);
  const printer = createAnswerPrinter({ answer: screen, thinking: screen, isPlain });
  printer.push({ parts: [{ kind: 'text', text: lastAnswer(chat.history) ?? '', tokens: [] }] });
  printer.end();
  screen.write('\n');
}

/** @throws Interruption where Ctrl-C was pressed twice; the signal's reason */
async function nextMessage(session: Session): Promise<string | undefined> {
  const ended = rejectOnAbort(session.signal);
  try {
    const event = await Promise.race([session.messages.next(), ended.promise]);
    if (event === 'leave') {
      sayGoodbye(session);
      throw new Interruption(EXIT.interrupted);
    }
    return event?.text;
  } finally {
    ended.forget();
  }
}

function sayGoodbye({ screen, isInteractive, farewell }: Session): void {
  if (!isInteractive) return;
  const lines = farewell.text === '' ? ['goodbye'] : ['goodbye; to go on:', `  ${farewell.text}`];
  screen.write(`${lines.map((line) => screen.dim(line)).join('\n')}\n`);
}

function rejectOnAbort(signal: AbortSignal): { readonly promise: Promise<never>; forget(): void } {
  let listener = () => {};
  const promise = new Promise<never>((_, reject) => {
    listener = () => reject(signal.reason as Error);
    if (signal.aborted) listener();
    signal.addEventListener('abort', listener);
  });
  promise.catch(() => undefined);
  return { promise, forget: () => signal.removeEventListener('abort', listener) };
}

interface Obeying {
  readonly state: Conversation;
  readonly session: Session;
}

/** @throws what a command throws, where nobody is there to try again */
async function obey(name: Parameters<typeof obeyCommand>[0], argument: string, { state, session }: Obeying): Promise<void> {
  const { messages, screen, isInteractive, signal, openModel, edit } = session;
  const before = state.chat.history;
  const stopped = stopAtInterrupt(messages);
  const place: CommandPlace = {
    screen,
    openModel,
    edit: edit === undefined ? undefined : (text) => (messages.lend === undefined ? edit(text) : messages.lend(() => edit(text))),
    signal: AbortSignal.any([signal, stopped]),
  };
  try {
    const { say: said, show, ask: asked } = await obeyCommand(name, argument, { state, place });
    if (show !== undefined) screen.write(show);
    if (said !== undefined) say(session, said);
    if (asked === undefined) return;
    const cut = state.chat.history;
    await answer(withImages(state, asked.text), asked.isAgain ? { seed: newSeed() } : {}, { state, session });
    // What failed before it began leaves all as it was.
    if (state.chat.history === cut) putHistory(state, before);
  } catch (error) {
    if (signal.aborted || !isInteractive || isBrokenPipe(error)) throw error;
    say(session, stopped.aborted ? '(stopped)' : messageOf(error));
  } finally {
    messages.onInterrupt(undefined);
    if (state.chat.history !== before) await keepConversation(state, session);
  }
}

function newSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}

/** Ctrl-C again this long after one that has not stopped the answer yet is meant to end all. */
const PATIENCE_MS = 1000;

/** @returns aborts at Ctrl-C, once */
function stopAtInterrupt(messages: MessageSource): AbortSignal {
  const stop = new AbortController();
  let firstMs = 0;
  messages.onInterrupt(() => {
    if (!stop.signal.aborted) {
      firstMs = performance.now();
      stop.abort(new Interruption(EXIT.interrupted));
    } else if (performance.now() - firstMs > PATIENCE_MS) process.exit(EXIT.interrupted);
  });
  return stop.signal;
}

/** A typed message: the next of the conversation, or the result of a call that waits for it. */
async function ask(text: string, state: Conversation, session: Session): Promise<void> {
  const message = messageFor(state, text);
  if (message !== undefined) await answer(message, {}, { state, session });
  else say(session, callNote(state)!);
}

/** @throws the session's end; any error where nobody is there to try again */
async function answer(
  message: string | readonly ChatMessage[], more: Pick<SendOptions, 'seed'>, { state, session }: Obeying,
): Promise<void> {
  const { screen, messages, signal, isInteractive, progressStream, isPlain } = session;
  const stopped = stopAtInterrupt(messages);
  const display = createProgressDisplay(progressStream);
  const printer = createAnswerPrinter({ answer: screen, thinking: screen, isPlain });
  try {
    display.expect('prefill');
    const options = { ...more, signal: AbortSignal.any([signal, stopped]), onProgress: display.onProgress };
    const final = await streamAnswer(state.chat.send(message, options), (piece) => {
      display.clear();
      printer.push(piece);
    });
    printer.end();
    countAnswer(state, final);
    sayDropped(final, state, session);
    if (isInteractive) sayFigures(final, state, session);
  } catch (error) {
    display.clear();
    printer.end();
    if (signal.aborted || !isInteractive || isBrokenPipe(error)) throw error;
    if (stopped.aborted) screen.write(`${screen.dim('(stopped)')}\n\n`);
    else
      screen.write(
        `${wrapText(`${screen.red('ingot:')} ${messageOf(error)} ${screen.dim('/reset starts over.')}`, screen.columns())}\n\n`,
      );
  } finally {
    display.clear();
    messages.onInterrupt(undefined);
    await keepConversation(state, session);
  }
}

async function keepConversation(state: Conversation, { keep, farewell }: Session): Promise<void> {
  if (keep !== undefined && lastAsked(state.chat.history) !== undefined) farewell.text = await keep(state);
}

function sayFigures(final: FinalPiece, state: Conversation, { screen }: Session): void {
  const { info } = state.model;
  const note = endingNote(final, { ...info, isChat: true });
  if (note !== undefined) screen.write(`${screen.dim(wrapText(`(${note})`, screen.columns()))}\n`);
  screen.write(`${screen.dim(figuresLine(info.deviceDescription, final, screen.columns() - 1))}\n\n`);
  const called = callNote(state);
  if (called !== undefined) say({ screen }, called);
}

/** Told when it happens, not after every answer that follows. */
function sayDropped({ droppedTurns }: FinalPiece, state: Conversation, { screen, isInteractive, progressStream }: Session): void {
  const isNew = droppedTurns > state.droppedTurns;
  state.droppedTurns = droppedTurns;
  if (!isNew) return;
  const note = droppedNote(droppedTurns, state.model.info);
  if (isInteractive) screen.write(`${screen.dim(wrapText(`(${note})`, screen.columns()))}\n`);
  else progressStream.write(`ingot: ${note}\n`);
}
