/** `ingot chat`: a conversation in the terminal. */
import type { Command } from 'commander';
import { completeCommand } from './chat-commands.ts';
import { runChatSession } from './chat-session.ts';
import { addGenerationOptions, decodingOptions, reasoningOption } from './generation-options.ts';
import type { GenerationFlags } from './generation-options.ts';
import { UsageError } from './exit-codes.ts';
import { withInterrupts } from './interrupts.ts';
import type { MessageSource } from './message-source.ts';
import { addDeviceOptions, checkPredictsTokens, withModel } from './model-options.ts';
import type { DeviceOptions } from './model-options.ts';
import { openPipedMessages } from './piped-messages.ts';
import { createTerminal } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { openTerminalMessages } from './terminal-messages.ts';

export interface ChatFlags extends GenerationFlags, DeviceOptions {
  readonly model?: string;
}

const EXAMPLES = `
In the chat, /help lists commands and keys. When the conversation outgrows the
context, its oldest turns are left out, which is said. Where stdin is no
terminal, each of its lines is one message.

Examples:
  $ ingot chat
  $ ingot chat model.gguf --system "You are a pirate." --temperature 0.7
  $ ingot chat ./model-folder --no-think --context 4096
  $ printf 'My cat is Tom.\\nWho is my cat?\\n' | ingot chat
`;

export function registerChat(program: Command): void {
  const command = program
    .command('chat')
    .summary('chat in the terminal')
    .description('Chats in the terminal with a model, the bundled one where none is named.')
    .argument('[model]', 'a GGUF file, a Hugging Face folder, or a URL of either')
    .option('-m, --model <model>', 'the same as the argument')
    .addHelpText('after', EXAMPLES);
  addDeviceOptions(addGenerationOptions(command)).action((path: string | undefined, flags: ChatFlags) =>
    chat(oneModel(path, flags.model), flags),
  );
}

export async function chat(path: string | undefined, flags: ChatFlags): Promise<void> {
  const { stdin, stdout, stderr } = process;
  const isInteractive = stdin.isTTY && stdout.isTTY;
  const screen = createTerminal(stdout);
  await withInterrupts((signal, { onInterrupt }) =>
    withModel(path, { ...flags, signal }, (model) => {
      checkPredictsTokens(model, 'chat');
      return runChatSession({
        model,
        openMessages: () => openMessages(screen),
        screen,
        progressStream: stderr,
        isInteractive,
        decoding: { ...decodingOptions(flags), dialect: flags.dialect, templateVariables: flags.templateVariables },
        system: flags.system,
        thinking: flags.think,
        reasoning: reasoningOption({ ...flags, think: true }),
        signal,
        onInterrupt,
      });
    }),
  );
}

function openMessages(screen: Terminal): MessageSource {
  const { stdin, stdout } = process;
  if (stdin.isTTY && screen.canRedraw) return openTerminalMessages({ input: stdin, output: stdout, complete: completeCommand });
  return openPipedMessages({ input: stdin, prompt: stdin.isTTY && screen.isTty ? screen.write : undefined });
}

function oneModel(argument: string | undefined, option: string | undefined): string | undefined {
  if (argument !== undefined && option !== undefined)
    throw new UsageError(`the model is given twice, as ${JSON.stringify(argument)} and with --model. Drop one of the two.`);
  return argument ?? option;
}
