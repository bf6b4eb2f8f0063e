/** `ingot eval`: perplexity of a text or of JSON lines, and accuracy over tasks. */
import type { Command } from 'commander';
import type { Model } from '../engine/api.ts';
import { readEvaluationFile, readText } from '../evaluation/evaluation-file.ts';
import type { EvaluationSequence, EvaluationTask } from '../evaluation/evaluation-file.ts';
import { measurePerplexity } from '../evaluation/perplexity.ts';
import type { TokenLikelihood } from '../evaluation/perplexity.ts';
import { answerTasks, compareTasks, parseTaskReference, spread } from '../evaluation/task-accuracy.ts';
import type { TaskComparison, TaskReference, TaskReport } from '../evaluation/task-accuracy.ts';
import { UsageError } from './exit-codes.ts';
import { inputPath } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import { addDeviceOptions, checkPredictsTokens, withModel } from './model-options.ts';
import type { DeviceOptions } from './model-options.ts';
import { integerIn } from './option-values.ts';
import { createProgressDisplay } from './progress-display.ts';
import { formatRate, plural, withThousands } from './quantities.ts';
import { createTerminal, printable } from './terminal.ts';

interface EvalFlags extends DeviceOptions {
  readonly model?: string;
  readonly limit?: number;
  readonly maxTokens?: number;
  readonly streams?: number;
  readonly reference?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
What FILE holds decides what is measured:
  a text    perplexity per token
  lines { "ids" } or { "text" }
            perplexity per token; with "answer_spans" ([start, end) in ids) also
            over those tokens
  lines { "id", "skill", "messages", "tools"?, "thinking"?, "check" }
            greedy answers, checked: exact, contains, regex, json, tool_call

Examples:
  $ ingot eval notes.txt
  $ ingot eval heldout.jsonl --model model.gguf --json
  $ ingot eval eval.jsonl --reference eval_reference.json --limit 50
`;

export function registerEval(program: Command): void {
  const command = program
    .command('eval')
    .summary('perplexity of a text, accuracy over tasks')
    .description('Measures a model on a file: perplexity of a text or of JSON lines, or accuracy over tasks.')
    .usage('[options] FILE')
    .argument('<file...>', 'a text or a .jsonl file')
    .option('-m, --model <model>', 'a GGUF file, a Hugging Face folder, or a URL (default: the bundled model)')
    .option('--limit <count>', 'take this many lines, spread evenly over the file', integerIn({ min: 1 }))
    .option('--max-tokens <count>', 'most tokens of an answer (default: 512)', integerIn({ min: 1 }))
    .option('--streams <count>', 'tasks that are answered at once (default: 1)', integerIn({ min: 1, max: 256 }))
    .option('--reference <file>', "another implementation's answers to the same tasks, to compare with")
    .option('--json', 'print one JSON object, every answer in it')
    .addHelpText('after', EXAMPLES);
  addDeviceOptions(command).action((files: string[], flags: EvalFlags) => evaluate(oneFile(files), flags));
}

/** @throws UsageError for several: a model among them is named with --model */
function oneFile(files: readonly string[]): string {
  const [file] = files;
  if (files.length === 1) return file!;
  const isModel = (path: string) => /\.(gguf|safetensors)$/i.test(path);
  const advice = files.some(isModel)
    ? ` The model is named with --model: ingot eval ${files.find((path) => !isModel(path)) ?? 'notes.txt'} --model ${files.find(isModel)}`
    : '';
  throw new UsageError(`expected one file, found ${files.length} (${files.join(' ')}).${advice}`);
}

async function evaluate(path: string, flags: EvalFlags): Promise<void> {
  const file = await readEvaluationFile(inputPath(path));
  if (file.kind === 'perplexity' && flags.reference !== undefined)
    throw new UsageError('--reference belongs to tasks, and this file has none.');
  if (file.kind === 'perplexity' && flags.streams !== undefined)
    throw new UsageError('--streams belongs to tasks, and this file has none.');
  const reference =
    flags.reference === undefined ? undefined : parseTaskReference(await readText(inputPath(flags.reference)), flags.reference);
  await withInterrupts((signal) =>
    withModel(flags.model, { ...flags, signal }, async (model) => {
      checkPredictsTokens(model, 'eval');
      const run = { model, flags, signal };
      if (file.kind === 'perplexity') return evaluateSequences(run, file.sequences);
      return evaluateTasks(run, file.tasks, reference);
    }),
  );
}

interface EvaluationRun {
  readonly model: Model;
  readonly flags: EvalFlags;
  readonly signal: AbortSignal;
}

async function evaluateSequences({ model, flags, signal }: EvaluationRun, sequences: readonly EvaluationSequence[]): Promise<void> {
  const display = createProgressDisplay(process.stderr, { label: 'scoring', hasLines: true });
  const onProgress = (loaded: number, total: number) => display.onProgress({ phase: 'prefill', loaded, total });
  const chosen = spread(sequences, flags.limit ?? Infinity);
  const result = await measurePerplexity(model, chosen, { signal, onProgress }).finally(display.clear);
  if (flags.json === true) return printJson({ kind: 'perplexity', ...result, ...describeModel(model) });
  const lines = [likelihoodLine('all tokens', result.all)];
  if (result.answers !== undefined) lines.push(likelihoodLine('answer tokens', result.answers));
  print([`perplexity of ${modelTitle(model)} on ${plural(result.sequences, 'sequence')}`, ...lines]);
}

function likelihoodLine(what: string, { tokens, nll, perplexity }: TokenLikelihood): string {
  const figure = perplexity.toFixed(4).padStart(10);
  return `  ${what.padEnd(14)} ${figure}   ${withThousands(tokens)} tokens, ${(nll / tokens).toFixed(4)} nats each`;
}

async function evaluateTasks(
  { model, flags, signal }: EvaluationRun,
  tasks: readonly EvaluationTask[],
  reference: TaskReference | undefined,
): Promise<void> {
  const display = createProgressDisplay(process.stderr, { label: 'answering', hasLines: true });
  const onResult = (_: unknown, loaded: number, total: number) => display.onProgress({ phase: 'warmup', loaded, total });
  const chosen = spread(tasks, flags.limit ?? Infinity);
  const { maxTokens, streams } = flags;
  const report = await answerTasks(model, chosen, { signal, onResult, maxTokens, streams }).finally(display.clear);
  const comparison = reference && compareTasks(report, reference);
  if (flags.json === true) return printJson({ kind: 'tasks', ...report, reference: comparison, ...describeModel(model) });
  print([`answers of ${modelTitle(model)}`, ...scoreLines(report, comparison), ...comparisonLines(comparison)]);
}

/** A table of skills; with a reference, its passes stand beside. */
function scoreLines(
  { skills, cases, passed, completionTokens, decodeTokensPerSecond }: TaskReport,
  comparison: TaskComparison | undefined,
): string[] {
  const width = Math.max(5, ...skills.map(({ skill }) => printable(skill).length));
  const row = (name: string, score: { cases: number; passed: number }, expected: number | undefined) => {
    const share = `${((100 * score.passed) / score.cases).toFixed(1)}%`.padStart(6);
    const beside = expected === undefined ? '' : `   reference ${String(expected).padStart(5)}`;
    return `  ${name.padEnd(width)} ${`${score.passed}/${score.cases}`.padStart(9)} ${share}${beside}`;
  };
  return [
    ...skills.map((score, index) => row(printable(score.skill), score, comparison?.skills[index]!.passed)),
    row('all', { cases, passed }, comparison?.passed),
    `  ${withThousands(completionTokens)} tokens generated, ${formatRate(decodeTokensPerSecond)} tok/s decode`,
  ];
}

function comparisonLines(comparison: TaskComparison | undefined): string[] {
  if (comparison === undefined) return [];
  const { sameText, lost, gained } = comparison;
  const ids = (list: readonly string[]) => (list.length === 0 ? 'none' : list.map(printable).join(', '));
  return [`  same text as the reference: ${sameText}`, `  passed only there: ${ids(lost)}`, `  passed only here: ${ids(gained)}`];
}

function describeModel({ info }: Model): Record<string, unknown> {
  const { name, architecture, quantisation, sizeBytes, device, deviceDescription } = info;
  return { model: { name, architecture, quantisation, sizeBytes }, device, deviceDescription };
}

function modelTitle({ info }: Model): string {
  return `${printable(info.name)} (${info.quantisation}) on ${info.deviceDescription}`;
}

function print(lines: readonly string[]): void {
  createTerminal(process.stdout).write(`${lines.join('\n')}\n`);
}

function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
