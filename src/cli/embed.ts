/** `ingot embed`: texts to unit vectors. */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { EmbedOptions } from '../engine/api.ts';
import { UsageError } from './exit-codes.ts';
import { withInterrupts } from './interrupts.ts';
import { addDeviceOptions, withModel } from './model-options.ts';
import type { DeviceOptions } from './model-options.ts';
import { integerIn } from './option-values.ts';
import { readArgumentText } from './read-stdin.ts';

interface EmbedFlags extends DeviceOptions, Pick<EmbedOptions, 'kind' | 'prompt' | 'dimensions'> {}

const EXAMPLES = `
Each text becomes a line of JSON: {"text":"...","embedding":[0.01,...]}.

Examples:
  $ ingot embed ./all-MiniLM-L6-v2 "A fox named Ash" "An owl"
  $ ingot embed model.gguf --kind query "who is Ash?"
  $ ingot embed model.gguf --kind document < lines.txt > embeddings.jsonl
`;

export function registerEmbed(program: Command): void {
  const command = program
    .command('embed')
    .summary('print embeddings of texts')
    .description('Prints the unit vectors that a model of embeddings makes of texts.')
    .argument('<model>', 'a model of embeddings: a GGUF file, a folder or a URL')
    .argument('[texts...]', 'the texts; "-" or nothing reads stdin, where each line is a text')
    .addOption(
      new Option('--kind <kind>', "what the texts are for: the prompt that the model's files name for it goes before them").choices([
        'query', 'document',
      ]),
    )
    .option('--prompt <text>', 'goes before each text, in place of what the files name')
    .option('--dimensions <count>', "keep so many of an embedding's numbers, as a unit vector again", integerIn({ min: 1 }));
  addDeviceOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((model: string, texts: readonly string[], flags: EmbedFlags) =>
      withInterrupts((signal) => embed(model, texts, { ...flags, signal })),
    );
}

async function embed(path: string, given: readonly string[], flags: EmbedFlags & { readonly signal: AbortSignal }): Promise<void> {
  const { signal, kind, prompt, dimensions } = flags;
  if (kind !== undefined && prompt !== undefined)
    throw new UsageError('--kind and --prompt both say what goes before a text: give one of them.');
  const texts = await textsOf(given, signal);
  await withModel(path, flags, async (model) => {
    const embeddings = await model.embed(texts, { kind, prompt, dimensions, signal });
    for (const [index, embedding] of embeddings.entries())
      process.stdout.write(`${JSON.stringify({ text: texts[index], embedding: [...embedding] })}\n`);
  });
}

async function textsOf(given: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  if (given.length > 1 && given.includes('-')) throw new UsageError('give either texts or "-" for stdin, not both.');
  if (given.length > 0 && given[0] !== '-') return given;
  const lines = await readArgumentText(given[0], { what: 'the text', signal });
  if (lines === '') throw new UsageError('stdin is empty: expected a text a line.');
  return lines.split(/\r?\n/);
}
