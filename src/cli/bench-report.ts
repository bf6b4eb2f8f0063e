/** `ingot bench report RESULTS... -o report.html` */
import { writeFileSync } from 'node:fs';
import { Option } from 'commander';
import type { Command } from 'commander';
import { readResults } from '../bench/read-results.ts';
import type { ResultRow } from '../bench/read-results.ts';
import { MARKDOWN_FORMS, markdownTables } from '../bench/report/markdown-tables.ts';
import type { MarkdownForm } from '../bench/report/markdown-tables.ts';
import { publishedPoints } from '../bench/report/published-points.ts';
import { deviceOf } from '../bench/occasion.ts';
import { reportData } from '../bench/report/report-data.ts';
import { reportPage } from '../bench/report/report-page.ts';
import { createTerminal } from './terminal.ts';
import { InputError } from '../tensor/errors.ts';
import { formatBytes } from '../tensor/format-bytes.ts';

const EXAMPLES = `
The page holds everything: it opens anywhere, asks nobody for anything, and each
plot can be saved as SVG or PNG, each table copied as Markdown or saved as CSV.

Examples:
  $ ingot bench model.gguf --against llama.cpp --json results.jsonl
  $ ingot bench report results.jsonl -o report.html
  $ ingot bench report mac.jsonl linux.jsonl --published -o report.html
  $ ingot bench report race.jsonl --markdown summary
`;

interface ReportFlags {
  readonly output: string;
  readonly title: string;
  readonly published?: boolean;
  readonly markdown?: MarkdownForm;
}

export function registerBenchReport(bench: Command): void {
  bench
    .command('report')
    .summary('make a page of plots and tables of results')
    .description('Makes one self-contained page of plots and tables of files that --json wrote.')
    .argument('<results...>', 'files of JSON lines, also gzipped')
    .option('-o, --output <file>', 'the page to write', 'report.html')
    .option('--title <text>', 'what heads it', 'Measured with ingot bench')
    .addOption(
      new Option('--markdown <form>', 'print tables in place of the page: Ingot beside its best rival, or all').choices(MARKDOWN_FORMS),
    )
    .option('--published', 'show what others have published of the same models beside them, marked')
    .addHelpText('after', EXAMPLES)
    .action((paths: string[], flags: ReportFlags) => report(paths, flags));
}

function report(paths: readonly string[], { output, title, published, markdown }: ReportFlags): void {
  const { rows, notes } = readResults(paths);
  if (markdown !== undefined) return printMarkdown(rows, markdown);
  const data = reportData(rows, notes, published === true ? publishedPoints(rows) : []);
  const page = reportPage(data, { title, subtitle: subtitleOf(rows) });
  writeFileSync(output, page);
  const terminal = createTerminal(process.stdout);
  terminal.write(`${output}: ${data.charts.length} plots of ${data.figures.length} figures, ${formatBytes(Buffer.byteLength(page))}\n`);
  for (const note of data.notes) terminal.write(`note: ${note}\n`);
}

/** The tables, and on stderr what stands in none. @throws InputError where no row has a table */
function printMarkdown(rows: readonly ResultRow[], form: MarkdownForm): void {
  const { lines, untold } = markdownTables(rows, form);
  const notes = createTerminal(process.stderr);
  for (const note of untold) notes.write(`${note}\n`);
  if (lines.length === 0) throw new InputError(`No figure of these results has a place in a table of the form ${form}.`);
  createTerminal(process.stdout).write(`${lines.join('\n').trimEnd()}\n`);
}

function subtitleOf(rows: readonly ResultRow[]): string {
  const times = rows.map(({ time }) => time.slice(0, 10)).sort();
  const machines = new Set(rows.map((row) => `${deviceOf(row)} (${row.machine.cpu}, ${row.machine.os ?? 'unknown system'})`));
  const days = times[0] === times.at(-1) ? times[0] : `${times[0]} to ${times.at(-1)}`;
  return `${[...machines].join('; ')}. ${days}.`;
}
