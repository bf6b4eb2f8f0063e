/** What the commands of a chat do. */
import { InvalidArgumentError } from 'commander';
import type { ChatOptions } from '../../engine/api.ts';
import { InputError } from '../../tensor/errors.ts';
import { formatBytes } from '../../tensor/format-bytes.ts';
import { jsonFile } from '../generation-options.ts';
import { imageParts } from '../image-files.ts';
import { expandHome, inputPath, modelPath } from '../input-path.ts';
import { defaultModelPath } from '../model-options.ts';
import { formatRate, plural, withThousands } from '../quantities.ts';
import { printable } from '../terminal.ts';
import type { Terminal } from '../terminal.ts';
import { hangText } from '../word-wrapper.ts';
import { chatHelp } from './chat-commands.ts';
import type { CommandName } from './chat-commands.ts';
import { changeSetting } from './chat-settings.ts';
import { copyText } from './clipboard.ts';
import {
  goOnWith, imagesOf, lastAnswer, lastAsked, NO_FIGURES, openCalls, putHistory, renew, replaceModel, withSystem,
} from './conversation.ts';
import type { Conversation, OpenModel } from './conversation.ts';

/** What a command leaves to be done: something to say, and a message to ask. */
export interface Outcome {
  /** Wrapped and dimmed. */
  readonly say?: string | undefined;
  /** As it is. */
  readonly show?: string | undefined;
  /** Put back where the answer fails before it begins. */
  readonly ask?: { readonly text: string; readonly isAgain: boolean } | undefined;
}

export interface CommandPlace {
  readonly screen: Terminal;
  readonly openModel: OpenModel;
  /** The user's editor; undefined where nobody is there. */
  readonly edit: ((text: string) => string) | undefined;
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
}

type Obey = (argument: string, state: Conversation, place: CommandPlace) => Outcome | Promise<Outcome>;

const OBEY: Readonly<Record<Exclude<CommandName, 'exit'>, Obey>> = {
  help: (_, __, { screen }) => ({ show: chatHelp(screen.columns()) }),
  reset(_, state) {
    state.chat.reset();
    Object.assign(state, { droppedTurns: 0, results: [], figures: { ...NO_FIGURES } });
    return { say: 'a new conversation' };
  },
  retry(_, state) {
    const asked = requireAsked(state);
    state.images = imagesOf(state.chat.history[asked.at]!);
    putHistory(state, state.chat.history.slice(0, asked.at));
    const { temperature } = state.chat.options;
    return { ask: { text: asked.text, isAgain: true }, ...(temperature === 0 ? { say: SAME_ANSWER } : {}) };
  },
  edit(_, state, { edit }) {
    if (edit === undefined) throw new InputError('/edit opens an editor: it needs a terminal.');
    const asked = lastAsked(state.chat.history);
    const text = edit(asked?.text ?? '').trim();
    if (text === '' || text === asked?.text.trim()) return { say: 'nothing was changed' };
    if (asked !== undefined) {
      state.images = imagesOf(state.chat.history[asked.at]!);
      putHistory(state, state.chat.history.slice(0, asked.at));
    }
    return { ask: { text, isAgain: false }, show: `> ${printable(text.split('\n')[0]!)}${text.includes('\n') ? ' ...' : ''}\n` };
  },
  undo(_, state) {
    const asked = requireAsked(state);
    putHistory(state, state.chat.history.slice(0, asked.at));
    return { say: `took back ${JSON.stringify(firstWords(asked.text))} and its answer` };
  },
  system: obeySystem,
  set(argument, state) {
    const change = changeSetting(argument, state.chat.options);
    if ('options' in change) renew(state, change.options);
    return argument === '' ? { show: `${change.say}\n` } : { say: change.say };
  },
  think: obeyThink,
  tools: obeyTools,
  async model(argument, state, place) {
    if (argument === '') return { say: `the model is ${state.path ?? defaultModelPath()}; /model ID loads another one` };
    return reload(state, place, { path: modelPath(argument), device: state.device });
  },
  async image(file, state) {
    if (state.model.vision === undefined) throw new InputError(`${state.model.info.name} sees no images.`);
    state.images = [...state.images, ...(await imageParts([droppedPath(file)]))];
    return { say: `${file} goes with the next message (${plural(state.images.length, 'image')})` };
  },
  context: obeyContext,
  stats: (_, state, { screen }) => ({ show: `${statsOf(state, screen.columns())}\n` }),
  copy(_, state, { screen }) {
    const text = lastAnswer(state.chat.history);
    return { say: text === undefined ? 'there is no answer yet' : copyText(text, screen) };
  },
  async save(file, state) {
    await state.chat.save(expandHome(file));
    return { say: `saved in ${file}` };
  },
  async load(file, state) {
    goOnWith(state, await state.model.loadChat(inputPath(file)));
    return { say: `the conversation of ${file}, ${plural(state.chat.history.length, 'message')}` };
  },
};

const SAME_ANSWER = 'at temperature 0 the answer will be the same: /set temperature 0.8 changes that';

/** @throws what the command does: InputError for what cannot be meant. The conversation is then as it was */
export async function obeyCommand(
  name: Exclude<CommandName, 'exit'>, argument: string, { state, place }: { readonly state: Conversation; readonly place: CommandPlace },
): Promise<Outcome> {
  return OBEY[name](argument, state, place);
}

/** Terminals quote a path that is dragged into them, or put a stroke before its spaces. */
function droppedPath(text: string): string {
  const quoted = /^(['"])(.*)\1$/s.exec(text)?.[2];
  return quoted ?? text.replaceAll('\\ ', ' ');
}

function requireAsked({ chat }: Conversation): { readonly at: number; readonly text: string } {
  const asked = lastAsked(chat.history);
  if (asked === undefined) throw new InputError('There is no message yet.');
  return asked;
}

function firstWords(text: string): string {
  const line = text.split('\n')[0]!;
  return line.length > 50 ? `${line.slice(0, 49)}...` : line;
}

function obeySystem(argument: string, state: Conversation): Outcome {
  const { history, options } = state.chat;
  if (argument === '') {
    const [first] = history;
    return { say: first?.role === 'system' ? `the system message is: ${String(first.content)}` : 'there is no system message' };
  }
  const system = argument === 'off' ? '' : argument;
  renew(state, { ...options, system });
  putHistory(state, withSystem(history, system));
  return { say: system === '' ? 'no system message from here on' : 'this system message from here on; /reset begins anew with it' };
}

function obeyThink(argument: string, state: Conversation): Outcome {
  const budget = /^\d+$/.test(argument) ? Number(argument) : undefined;
  if (argument === '') {
    const { reasoning } = state.chat.options;
    return { say: reasoning === false ? 'thinking is off' : `thinking is on${budgetWords(reasoning)}` };
  }
  if (argument !== 'on' && argument !== 'off' && budget === undefined)
    return { say: `/think takes on, off or a number of tokens, found ${JSON.stringify(argument)}` };
  const reasoning = argument === 'off' ? false : budget === undefined ? state.reasoning : { budgetTokens: budget };
  renew(state, { ...state.chat.options, reasoning });
  return { say: reasoning === false ? 'thinking off' : `thinking on${budgetWords(reasoning)}` };
}

function budgetWords(reasoning: ChatOptions['reasoning']): string {
  if (typeof reasoning !== 'object' || reasoning.budgetTokens === undefined) return '';
  return `, at most ${plural(reasoning.budgetTokens, 'token')}`;
}

function obeyTools(argument: string, state: Conversation): Outcome {
  const { options } = state.chat;
  if (argument !== '') {
    renew(state, { ...options, tools: argument === 'off' ? undefined : toolsOf(argument) });
  }
  const names = (state.chat.options.tools ?? []).map((tool) => toolName(tool));
  if (names.length === 0) return { say: 'the model may call no functions; /tools FILE gives it some' };
  return { say: `the model may call ${names.join(', ')}; you are asked for their results` };
}

/** What is in the file is checked by who takes it. @throws InputError for a file that holds no JSON */
function toolsOf(file: string): ChatOptions['tools'] {
  try {
    return jsonFile(inputPath(file)) as unknown as ChatOptions['tools'];
  } catch (error) {
    throw error instanceof InvalidArgumentError ? new InputError(error.message, { cause: error }) : error;
  }
}

function toolName(tool: object): string {
  const { name, function: made } = tool as { readonly name?: unknown; readonly function?: { readonly name?: unknown } };
  return String(name ?? made?.name);
}

async function obeyContext(argument: string, state: Conversation, place: CommandPlace): Promise<Outcome> {
  const { contextLength, modelContextLength } = state.model.info;
  if (argument === '') {
    const used = state.figures.contextTokens;
    const share = `${Math.round((100 * used) / contextLength)}%`;
    const most = withThousands(modelContextLength);
    return { say: `${withThousands(used)} of ${plural(contextLength, 'token')} are used (${share}); the model was made for ${most}` };
  }
  const context = Number(argument.replaceAll(',', ''));
  if (!Number.isInteger(context) || context < 1 || context > modelContextLength)
    return { say: `/context takes a number of tokens from 1 to ${modelContextLength}, found ${JSON.stringify(argument)}` };
  return reload(state, place, { path: state.path, device: { ...state.device, context } });
}

async function reload(
  state: Conversation, { openModel, signal }: CommandPlace, next: Pick<Conversation, 'path' | 'device'>,
): Promise<Outcome> {
  await replaceModel(state, next, { openModel, signal });
  const { name, deviceDescription, contextLength } = state.model.info;
  return { say: printable(`${name} on ${deviceDescription}, context ${withThousands(contextLength)} tokens; the conversation goes on`) };
}

function statsOf({ figures, model, chat }: Conversation, columns: number): string {
  const { turns, promptTokens, cachedTokens, completionTokens, decodeMs, decodedTokens, contextTokens } = figures;
  const { info } = model;
  const rate = decodeMs === 0 ? '' : `, decoded at ${formatRate((1000 * decodedTokens) / decodeMs)} tok/s`;
  const rows = [
    ['model', printable(`${info.name}, ${formatBytes(info.memory.weightBytes)} of weights`)],
    ['device', info.deviceDescription],
    ['messages', String(chat.history.length)],
    ['answers', `${turns}, ${plural(completionTokens, 'token')}${rate}`],
    ['prompts', `${plural(promptTokens, 'token')}, ${withThousands(cachedTokens)} of them not computed again`],
    ['context', `${withThousands(contextTokens)} of ${plural(info.contextLength, 'token')}`],
  ] as const;
  return rows.map(([name, text]) => hangText(name.padEnd(10), text, columns)).join('\n');
}

/** What is asked of the person where the model has called functions. */
export function callNote(state: Conversation): string | undefined {
  const [call] = openCalls(state);
  return call === undefined ? undefined : `type the result of ${call.name}(${call.arguments}), or /undo`;
}
