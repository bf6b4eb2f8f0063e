/** `ingot usage`: what was used by whom, from the sums by day, and the audit log itself. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { UsageError } from '../exit-codes.ts';
import { listOf } from '../option-values.ts';
import { printable } from '../terminal.ts';
import { tableLines } from '../text-table.ts';
import { AUDIT_COLUMNS, USAGE_GROUPS, USAGE_SUMS } from './store/audit-table.ts';
import type { Period, UsageGroup, UsageRow } from './store/audit-table.ts';
import { addStoreOptions, withStore } from './with-store.ts';
import type { StoreFlags } from './with-store.ts';

const EXAMPLES = `
Days are in UTC. Sums by day stay when entries of the log are dropped
("ingot serve --audit-days").

Examples:
  $ ingot usage
  $ ingot usage --by key,day --from 2026-11-01 --csv > november.csv
  $ ingot usage --requests --json | jq 'select(.status >= 500)'
`;

interface UsageFlags extends StoreFlags {
  readonly by: readonly UsageGroup[];
  readonly from?: string;
  readonly to?: string;
  readonly requests?: boolean;
  readonly csv?: boolean;
  readonly json?: boolean;
}

function dayText(text: string): string {
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? new Date(`${text}T00:00:00Z`) : undefined;
  if (day !== undefined && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)) return text;
  throw new InvalidArgumentError('Expected a day such as 2026-11-30.');
}

export function registerUsage(program: Command): void {
  const command = program
    .command('usage')
    .summary('show what was asked of "ingot serve", by key, model and day')
    .description('Shows requests and tokens that "ingot serve" has in its database.')
    .addOption(
      new Option('--by <groups>', `sums by some of ${USAGE_GROUPS.join(', ')}`)
        .argParser(listOf(USAGE_GROUPS))
        .default(['key', 'model'], 'key,model'),
    )
    .option('--from <day>', 'from this day on', dayText)
    .option('--to <day>', 'up to this day', dayText)
    .option('--requests', 'the audit log: every request in its order')
    .option('--csv', 'as CSV (RFC 4180)')
    .option('--json', 'as JSON: an array of sums, or an object a line with --requests');
  addStoreOptions(command).addHelpText('after', EXAMPLES).action((flags: UsageFlags) => {
    if (flags.requests === true && command.getOptionValueSource('by') === 'cli')
      throw new UsageError('--requests shows every request by itself: leave --by out.');
    return usage(flags);
  });
}

/** JSON escapes but those controls that are beyond ASCII. */
function jsonLine(value: object): string {
  return printable(JSON.stringify(value));
}

/**
 * A field as RFC 4180 has it, but for what would move a terminal's cursor, shown by its code. One that a spreadsheet would take for
 * a formula is led by an apostrophe.
 */
function csvField(value: unknown): string {
  if (value === null || value === undefined) return '';
  const shown = printable(String(value as string | number));
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${shown}` : shown;
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const csvLine = (fields: readonly unknown[]) => `${fields.map(csvField).join(',')}\r\n`;

function printSums(sums: readonly UsageRow[], { by, csv, json }: UsageFlags): void {
  const columns = [...by, ...USAGE_SUMS];
  if (json === true) return void process.stdout.write(`${JSON.stringify(sums, undefined, 2)}\n`);
  if (csv === true) {
    const lines = [columns, ...sums.map((row) => columns.map((name) => row[name]))].map(csvLine);
    return void process.stdout.write(lines.join(''));
  }
  const titles = [...by.map((name) => name.toUpperCase()), 'REQUESTS', 'NOT DONE', 'PROMPT', 'CACHED', 'ANSWER'];
  const rows = sums.map((row) => columns.map((name) => String(row[name] === '' ? '-' : row[name])));
  const lines = tableLines([titles, ...rows], [...titles.keys()].slice(by.length));
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function usage(flags: UsageFlags): Promise<void> {
  const { by, from, to, requests, csv, json, database, config } = flags;
  if (csv === true && json === true) throw new UsageError('give either --csv or --json.');
  if (from !== undefined && to !== undefined && from > to) throw new UsageError(`--from ${from} is later than --to ${to}.`);
  const period: Period = { from, to };
  await withStore({ database, config }, { isMade: false }, async ({ audit }) => {
    if (requests !== true) return printSums(audit.usage(by, period), flags);
    if (json !== true) process.stdout.write(csvLine(AUDIT_COLUMNS));
    for (const entry of audit.entries(period))
      process.stdout.write(json === true ? `${jsonLine(entry)}\n` : csvLine(AUDIT_COLUMNS.map((name) => entry[name])));
  });
}
