/** `ingot chat`: a conversation in the terminal. */
import type { Command } from 'commander';
import type { ChatOptions } from '../../engine/api.ts';
import { UsageError } from '../exit-codes.ts';
import { addGenerationOptions, decodingOptions, reasoningOption } from '../generation-options.ts';
import type { GenerationFlags } from '../generation-options.ts';
import { withInterrupts } from '../interrupts.ts';
import type { MessageSource } from '../message-source.ts';
import { addDeviceOptions, checkPredictsTokens, openModel } from '../model-options.ts';
import type { DeviceOptions } from '../model-options.ts';
import { openPipedMessages } from '../piped-messages.ts';
import { createTerminal } from '../terminal.ts';
import type { Terminal } from '../terminal.ts';
import { openTerminalMessages } from '../terminal-messages.ts';
import { runChatSession } from './chat-session.ts';
import { findChat, keepsNothing, newChatId, openChatStore } from './chat-store.ts';
import type { ChatStore, FoundChat } from './chat-store.ts';
import { completeLine } from './complete.ts';
import type { Conversation, OpenModel } from './conversation.ts';
import { editInEditor } from './text-editor.ts';

export interface ChatFlags extends GenerationFlags, DeviceOptions {
  readonly model?: string;
  readonly plain?: boolean;
  readonly resume?: string | true;
  /** False with `--no-history`. */
  readonly history?: boolean;
}

const EXAMPLES = `
In the chat, /help lists commands and keys. When the conversation outgrows the
context, its oldest turns are left out, which is said. Where stdin is no
terminal, each of its lines is one message.

In a terminal, what is typed and said is kept in INGOT_HOME (~/.ingot) for Up
and for --resume, readable by you alone; --no-history and INGOT_NO_HISTORY=1
keep nothing.

Examples:
  $ ingot chat
  $ ingot chat model.gguf --system "You are a pirate." --temperature 0.7
  $ ingot chat ./model-folder --no-think --context 4096
  $ ingot chat --resume
  $ printf 'My cat is Tom.\\nWho is my cat?\\n' | ingot chat
`;

export function registerChat(program: Command): void {
  const command = program
    .command('chat')
    .summary('chat in the terminal')
    .description('Chats in the terminal with a model, the bundled one where none is named.')
    .argument('[model]', 'a GGUF file, a Hugging Face folder, a URL of either, or an id of the hub')
    .option('-m, --model <model>', 'the same as the argument')
    .addHelpText('after', EXAMPLES);
  addDeviceOptions(addGenerationOptions(addChatOptions(command))).action((path: string | undefined, flags: ChatFlags) =>
    chat(oneModel(path, flags.model), flags),
  );
}

/** Those of a conversation in a terminal. */
export function addChatOptions(command: Command): Command {
  return command
    .option('--plain', 'answers as the model writes them: no styles in place of markdown')
    .option('--resume [id]', 'go on with a conversation that was kept (default: the last one)')
    .option('--no-history', 'keep nothing of what is typed and said');
}

export async function chat(path: string | undefined, flags: ChatFlags): Promise<void> {
  const { stdin, stdout, stderr } = process;
  const isInteractive = stdin.isTTY && stdout.isTTY;
  const found = flags.resume === undefined ? undefined : findChat(flags.resume, process.env);
  const { model: keptPath, ...keptDevice } = found?.how ?? {};
  const device = { ...keptDevice, ...deviceOf(flags, found !== undefined) };
  const screen = createTerminal(stdout);
  const keeps = isInteractive && flags.history !== false && !keepsNothing(process.env);
  const store = keeps ? openChatStore(process.env, (problem) => stderr.write(`ingot: ${problem}\n`)) : undefined;
  const open: OpenModel = async (named, options, signal) => {
    const model = await openModel(named, { ...options, signal });
    checkPredictsTokens(model, 'chat');
    return model;
  };
  const named = path ?? keptPath;
  await withInterrupts(async (signal, { onInterrupt }) =>
    runChatSession({
      model: await open(named, device, signal),
      path: named,
      device,
      openModel: open,
      openMessages: () => openMessages(screen, store),
      screen,
      progressStream: stderr,
      isInteractive,
      options: chatOptionsOf(flags),
      reasoning: reasoningOption({ ...flags, think: true }),
      resume: found?.path,
      isPlain: flags.plain === true,
      edit: isInteractive ? editInEditor : undefined,
      keep: store && keeper(store, found),
      signal,
      onInterrupt,
    }),
  );
}

/** A conversation that outgrows the context goes on without its oldest turns. */
function chatOptionsOf(flags: ChatFlags): ChatOptions {
  const { system, dialect, templateVariables } = flags;
  return { ...decodingOptions(flags), dialect, templateVariables, system, reasoning: reasoningOption(flags), contextPolicy: 'slide' };
}

const DEVICE_KEYS = [
  'device', 'threads', 'context', 'snapshotBytes', 'memory', 'perLayerTable', 'quantize', 'kvType', 'mmproj', 'mostPatches',
] as const;

/** @param isResumed what is not given on the command line stays as it was kept */
function deviceOf(flags: DeviceOptions, isResumed: boolean): DeviceOptions {
  const given = DEVICE_KEYS.flatMap((key) => (flags[key] === undefined ? [] : [[key, flags[key]] as const]));
  // `auto` is what nobody asked for.
  return Object.fromEntries(given.filter(([key, value]) => !(isResumed && key === 'device' && value === 'auto')));
}

function keeper(store: ChatStore, found: FoundChat | undefined): (state: Conversation) => Promise<string> {
  const id = found?.id ?? newChatId();
  return async ({ chat: held, path, device }) => {
    await store.keep(id, held, { model: path, ...device });
    return `ingot chat --resume ${id}`;
  };
}

function openMessages(screen: Terminal, store: ChatStore | undefined): MessageSource {
  const { stdin, stdout } = process;
  if (stdin.isTTY && screen.canRedraw)
    return openTerminalMessages({
      input: stdin, output: stdout, complete: completeLine, lines: store?.lines, onLine: store?.addLine, edit: editInEditor,
    });
  return openPipedMessages({ input: stdin, prompt: stdin.isTTY && screen.isTty ? screen.write : undefined });
}

function oneModel(argument: string | undefined, option: string | undefined): string | undefined {
  if (argument !== undefined && option !== undefined)
    throw new UsageError(`the model is given twice, as ${JSON.stringify(argument)} and with --model. Drop one of the two.`);
  return argument ?? option;
}
