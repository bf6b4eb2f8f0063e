/** The conversation of `ingot chat`: messages in, answers out. */
import type { Chat, ChatOptions, DecodingOptions, FinalPiece, Model } from '../engine/api.ts';
import { droppedNote, endingNote, figuresLine } from './answer-figures.ts';
import { createAnswerPrinter, streamAnswer } from './answer-printer.ts';
import { CHAT_HELP, parseChatLine } from './chat-commands.ts';
import type { ChatCommand } from './chat-commands.ts';
import { EXIT, Interruption, isBrokenPipe, messageOf } from './exit-codes.ts';
import { expandHome, inputPath } from './input-path.ts';
import type { Interrupts } from './interrupts.ts';
import type { MessageSource } from './message-source.ts';
import { createProgressDisplay } from './progress-display.ts';
import { formatBytes, formatCount, withThousands } from './quantities.ts';
import { printable } from './terminal.ts';
import type { OutputStream, Terminal } from './terminal.ts';
import { wrapText } from './word-wrapper.ts';

export interface ChatSessionOptions {
  readonly model: Model;
  /** Takes the terminal over; called when the conversation can begin. */
  openMessages(): MessageSource;
  readonly screen: Terminal;
  readonly progressStream: OutputStream;
  /** A person is there: prompts are shown, and an error does not end the conversation. */
  readonly isInteractive: boolean;
  readonly decoding: DecodingOptions & Pick<ChatOptions, 'dialect' | 'templateVariables'>;
  readonly system: string | undefined;
  readonly thinking: boolean;
  /** How the model thinks where it does. */
  readonly reasoning: ChatOptions['reasoning'];
  /** Ends the session when it aborts. */
  readonly signal: AbortSignal;
  readonly onInterrupt: Interrupts['onInterrupt'];
}

interface ChatState {
  chat: Chat;
  thinking: boolean;
  /** How many of the oldest turns the model has not seen in its last answer. */
  droppedTurns: number;
}

const LEAVING = { kind: 'exit' } as const;

/** Options with the messages that have been opened. */
type Session = ChatSessionOptions & { readonly messages: MessageSource };

/** @throws Interruption where Ctrl-C ended the session; what an answer threw, where nobody is there to read it */
export async function runChatSession(options: ChatSessionOptions): Promise<void> {
  const { model, screen, isInteractive } = options;
  const state: ChatState = { chat: newChat(options, options.system), thinking: options.thinking, droppedTurns: 0 };
  if (isInteractive) screen.write(banner(model, screen));
  const messages = options.openMessages();
  const session: Session = { ...options, messages };
  if (isInteractive) options.onInterrupt(messages.interrupt);
  try {
    for (;;) {
      const line = await nextMessage(session);
      const command = line === undefined ? LEAVING : parseChatLine(line);
      if (command.kind === 'exit') return sayGoodbye(screen, isInteractive);
      if (command.kind === 'message') await answer(command.text, state, session);
      else await obey(command, state, options);
    }
  } finally {
    state.chat.dispose();
    messages.close();
  }
}

/** A conversation that outgrows the context goes on without its oldest turns. */
function newChat({ model, decoding }: ChatSessionOptions, system: string | undefined): Chat {
  return model.createChat({ ...decoding, system, contextPolicy: 'slide' });
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

/** @throws Interruption where Ctrl-C was pressed twice; the signal's reason */
async function nextMessage({ messages, screen, signal, isInteractive }: Session): Promise<string | undefined> {
  const ended = rejectOnAbort(signal);
  try {
    const event = await Promise.race([messages.next(), ended.promise]);
    if (event === 'leave') {
      sayGoodbye(screen, isInteractive);
      throw new Interruption(EXIT.interrupted);
    }
    return event?.text;
  } finally {
    ended.forget();
  }
}

function sayGoodbye(screen: Terminal, isInteractive: boolean): void {
  if (isInteractive) screen.write(`${screen.dim('goodbye')}\n`);
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

type OtherCommand = Exclude<ChatCommand, { readonly kind: 'message' | 'exit' }>;

/** @throws what a file's command throws, where nobody is there to try again */
async function obey(command: OtherCommand, state: ChatState, options: ChatSessionOptions): Promise<void> {
  const { screen } = options;
  const say = (text: string) => screen.write(`${screen.dim(wrapText(text, screen.columns()))}\n`);
  switch (command.kind) {
    case 'nothing':
      return;
    case 'help':
      return screen.write(CHAT_HELP);
    case 'wrong':
      return say(command.reason);
    case 'think':
      state.thinking = command.isOn;
      return say(command.isOn ? 'thinking on' : 'thinking off');
    case 'reset':
      state.chat.reset();
      state.droppedTurns = 0;
      return say('a new conversation');
    case 'save':
    case 'load':
      return say(await withFile(command, state, options));
    case 'system':
      goOnWith(newChat(options, command.text), state);
      return say(command.text === '' ? 'a new conversation without a system message' : 'a new conversation with this system message');
    default:
      throw new Error(`unknown command ${JSON.stringify(command satisfies never)}`);
  }
}

function goOnWith(chat: Chat, state: ChatState): void {
  state.chat.dispose();
  state.chat = chat;
  state.droppedTurns = 0;
}

/** @returns what to say: an error too, where somebody is there to try again. The conversation goes on as it was then */
async function withFile(
  { kind, file }: Extract<ChatCommand, { readonly file: string }>,
  state: ChatState,
  { model, isInteractive }: ChatSessionOptions,
): Promise<string> {
  try {
    if (kind === 'save') {
      await state.chat.save(expandHome(file));
      return `saved in ${file}`;
    }
    goOnWith(await model.loadChat(inputPath(file)), state);
    const { length } = state.chat.history;
    return `the conversation of ${file}, ${length} ${length === 1 ? 'message' : 'messages'}`;
  } catch (error) {
    if (!isInteractive) throw error;
    return messageOf(error);
  }
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

/** @throws the session's end; any error where nobody is there to try again */
async function answer(text: string, state: ChatState, options: Session): Promise<void> {
  const { screen, messages, signal, isInteractive, progressStream } = options;
  const stopped = stopAtInterrupt(messages);
  const display = createProgressDisplay(progressStream);
  const printer = createAnswerPrinter({ answer: screen, thinking: screen });
  try {
    display.expect('prefill');
    const generation = state.chat.send(text, {
      signal: AbortSignal.any([signal, stopped]),
      reasoning: state.thinking ? options.reasoning : false,
      onProgress: display.onProgress,
    });
    const final = await streamAnswer(generation, (piece) => {
      display.clear();
      printer.push(piece);
    });
    printer.end();
    sayDropped(final, state, options);
    if (isInteractive) sayFigures(final, options);
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
  }
}

function sayFigures(final: FinalPiece, { screen, model }: ChatSessionOptions): void {
  const note = endingNote(final, { ...model.info, isChat: true });
  if (note !== undefined) screen.write(`${screen.dim(wrapText(`(${note})`, screen.columns()))}\n`);
  screen.write(`${screen.dim(figuresLine(model.info.deviceDescription, final, screen.columns() - 1))}\n\n`);
}

/** Told when it happens, not after every answer that follows. */
function sayDropped(
  { droppedTurns }: FinalPiece,
  state: ChatState,
  { screen, model, isInteractive, progressStream }: ChatSessionOptions,
): void {
  const isNew = droppedTurns > state.droppedTurns;
  state.droppedTurns = droppedTurns;
  if (!isNew) return;
  const note = droppedNote(droppedTurns, model.info);
  if (isInteractive) screen.write(`${screen.dim(wrapText(`(${note})`, screen.columns()))}\n`);
  else progressStream.write(`ingot: ${note}\n`);
}
