/** The conversation of `ingot chat`: lines in, answers out. */
import type { Chat, DecodingOptions, Model } from '../engine/api.ts';
import { createAnswerPrinter, figuresLine, streamAnswer } from './answer-printer.ts';
import { CHAT_HELP, parseChatLine } from './chat-commands.ts';
import type { ChatCommand } from './chat-commands.ts';
import { EXIT, Interruption, isBrokenPipe, messageOf } from './exit-codes.ts';
import type { LineSource } from './line-source.ts';
import { createProgressDisplay } from './progress-display.ts';
import { formatBytes, formatCount, withThousands } from './quantities.ts';
import { printable } from './terminal.ts';
import type { OutputStream, Terminal } from './terminal.ts';

export interface ChatSessionOptions {
  readonly model: Model;
  readonly lines: LineSource;
  readonly screen: Terminal;
  readonly progressStream: OutputStream;
  /** A person is there: prompts are shown, and an error does not end the conversation. */
  readonly isInteractive: boolean;
  readonly decoding: DecodingOptions;
  readonly system: string | undefined;
  readonly thinking: boolean;
  /** Ends the session when it aborts. */
  readonly signal: AbortSignal;
}

interface ChatState {
  chat: Chat;
  thinking: boolean;
}

/** @throws Interruption where Ctrl-C ended the session; what an answer threw, where nobody is there to read it */
export async function runChatSession(options: ChatSessionOptions): Promise<void> {
  const { model, lines, screen, isInteractive } = options;
  const state: ChatState = { chat: model.createChat({ ...options.decoding, system: options.system }), thinking: options.thinking };
  if (isInteractive) screen.write(banner(model, screen));
  try {
    for (;;) {
      const line = await nextLine(options);
      if (line === undefined) break;
      const command = parseChatLine(line);
      if (command.kind === 'exit') return;
      if (command.kind === 'message') await answer(command.text, state, options);
      else obey(command, state, options);
    }
    if (isInteractive) screen.write('\n');
  } finally {
    state.chat.dispose();
    lines.close();
  }
}

function banner({ info }: Model, screen: Terminal): string {
  const facts = [info.architecture, `${formatCount(info.parameters)} parameters`, info.quantisation, formatBytes(info.sizeBytes)];
  return [
    `${screen.bold(printable(info.name))}  ${screen.dim(printable(facts.join(', ')))}`,
    `on ${screen.bold(info.deviceDescription)}${screen.dim(`, context ${withThousands(info.contextLength)} tokens`)}`,
    screen.dim('/help lists commands, Ctrl-C stops an answer, Ctrl-D leaves'),
    '',
    '',
  ].join('\n');
}

/** One message, joined where lines end with a backslash. @throws Interruption */
async function nextLine({ lines, screen, signal }: ChatSessionOptions): Promise<string | undefined> {
  const parts: string[] = [];
  const ended = rejectOnAbort(signal);
  try {
    for (;;) {
      const line = await Promise.race([lines.next(parts.length === 0 ? '> ' : '. '), ended.promise]);
      if (line === 'interrupt') {
        screen.write('\n');
        throw new Interruption(EXIT.interrupted);
      }
      if (line === undefined) return parts.length === 0 ? undefined : parts.join('\n');
      if (!line.endsWith('\\')) return [...parts, line].join('\n');
      parts.push(line.slice(0, -1));
    }
  } finally {
    ended.forget();
  }
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

function obey(command: OtherCommand, state: ChatState, options: ChatSessionOptions): void {
  const { screen, model, decoding } = options;
  const say = (text: string) => screen.write(`${screen.dim(text)}\n`);
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
      return say('a new conversation');
    case 'system':
      state.chat.dispose();
      state.chat = model.createChat({ ...decoding, system: command.text });
      return say(command.text === '' ? 'a new conversation without a system message' : 'a new conversation with this system message');
    default:
      throw new Error(`unknown command ${JSON.stringify(command satisfies never)}`);
  }
}

/** @throws Interruption for a second Ctrl-C, or the session's end; any error where nobody is there to try again */
async function answer(text: string, state: ChatState, options: ChatSessionOptions): Promise<void> {
  const { screen, lines, model, signal, isInteractive, progressStream } = options;
  const stop = new AbortController();
  lines.onInterrupt(() => (stop.signal.aborted ? process.exit(EXIT.interrupted) : stop.abort(new Interruption(EXIT.interrupted))));
  const display = createProgressDisplay(progressStream);
  const printer = createAnswerPrinter({ answer: screen, thinking: screen });
  try {
    const generation = state.chat.send(text, {
      signal: AbortSignal.any([signal, stop.signal]),
      thinking: state.thinking ? undefined : false,
      onProgress: display.onProgress,
    });
    const final = await streamAnswer(generation, (piece) => {
      display.clear();
      printer.push(piece);
    });
    printer.end();
    if (isInteractive) screen.write(`${screen.dim(figuresLine(model.info.deviceDescription, final))}\n\n`);
  } catch (error) {
    display.clear();
    printer.end();
    if (signal.aborted || !isInteractive || isBrokenPipe(error)) throw error;
    if (stop.signal.aborted) screen.write(`${screen.dim('(stopped)')}\n\n`);
    else screen.write(`${screen.red('ingot:')} ${messageOf(error)} ${screen.dim('/reset starts over.')}\n\n`);
  } finally {
    display.clear();
    lines.onInterrupt(undefined);
  }
}
