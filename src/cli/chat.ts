/** `ingot chat`: a conversation in the terminal. */
import type { Command } from 'commander';
import { runChatSession } from './chat-session.ts';
import { addGenerationOptions, decodingOptions } from './generation-options.ts';
import type { GenerationFlags } from './generation-options.ts';
import { withInterrupts } from './interrupts.ts';
import { openLineSource } from './line-source.ts';
import { addDeviceOptions, withModel } from './model-options.ts';
import type { DeviceOptions } from './model-options.ts';
import { createTerminal } from './terminal.ts';

interface ChatFlags extends GenerationFlags, DeviceOptions {
  readonly model?: string;
}

const EXAMPLES = `
In the chat, /help lists commands. Where stdin is no terminal, each of its lines is one message.

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
  addDeviceOptions(addGenerationOptions(command)).action((path: string | undefined, flags: ChatFlags) => chat(path ?? flags.model, flags));
}

async function chat(path: string | undefined, flags: ChatFlags): Promise<void> {
  const isInteractive = process.stdin.isTTY === true && process.stdout.isTTY === true;
  await withInterrupts((signal) =>
    withModel(path, { ...flags, signal }, (model) =>
      runChatSession({
        model,
        lines: openLineSource({ input: process.stdin, output: process.stdout }),
        screen: createTerminal(process.stdout),
        progressStream: process.stderr,
        isInteractive,
        decoding: decodingOptions(flags),
        system: flags.system,
        thinking: flags.think,
        signal,
      }),
    ),
  );
}
