/** `inspect`'s report as text. */
import type { MetadataValue } from '../tensor/checkpoint.ts';
import { isProblem } from './inspect-report.ts';
import type { Problem } from './inspect-report.ts';
import type { InspectReport } from './inspect-report.ts';
import { formatBytes } from '../tensor/format-bytes.ts';
import { formatCount, plural, formatFloat, shortestFloat } from './quantities.ts';
import { printable } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { tableLines } from './text-table.ts';

const MOST_CHARACTERS = 100;
const MOST_ITEMS = 6;

export function printInspection(report: InspectReport, terminal: Terminal): void {
  const section = (title: string, lines: readonly string[]) => {
    if (lines.length > 0) terminal.write(`\n${terminal.bold(title)}\n${lines.map((line) => `  ${line}\n`).join('')}`);
  };
  const summary = [report.format, report.architecture, `${formatCount(report.parameters)} parameters`, formatBytes(report.sizeBytes)];
  terminal.write(`${terminal.bold(printable(report.name))}\n${printable(summary.join(', '))}\n`);
  section('Model', modelLines(report));
  section('Text', textLines(report));
  section('Metadata', tableLines(Object.entries(report.metadata).map(([key, value]) => [printable(key), describeValue(value)])));
  section(
    'config.json',
    tableLines(Object.entries(report.config ?? {}).map(([key, value]) => [printable(key), shorten(JSON.stringify(value) ?? '')])),
  );
  section('Types', tableLines(
    report.types.map(({ type, tensors, parameters, sizeBytes }) => [
      type, plural(tensors, 'tensor'), formatCount(parameters), formatBytes(sizeBytes),
    ]),
    [1, 2, 3],
  ));
  section('Tensors', tableLines(
    report.tensors.map(({ name, type, shape, sizeBytes }) => [printable(name), type, `[${shape.join(', ')}]`, formatBytes(sizeBytes)]),
    [3],
  ));
}

function modelLines({ model }: InspectReport): string[] {
  if (isProblem(model)) return [`cannot be run: ${printable(model.problem)}`];
  const said = Object.entries(model.config).filter(([, value]) => value !== undefined);
  const rows = said.map(([key, value]) => [
    key, typeof value === 'string' ? value : typeof value === 'number' ? formatFloat(value) : shorten(inJson(value)),
  ]);
  return [
    ...tableLines(rows), ...visionLines(model.vision), ...model.skipped.map(({ name, reason }) => `skipped ${printable(name)}: ${reason}`),
    ...model.warnings.map((warning) => `warning: ${printable(warning)}`),
  ];
}

function visionLines(vision: Exclude<InspectReport['model'], Problem>['vision']): string[] {
  if (vision === undefined) return [];
  const { family, file, parameters, sizeBytes, patchSize, mergeSize, deepLayers } = vision;
  const said = [
    `${formatCount(parameters)} parameters`, `patches of ${patchSize} x ${patchSize} pixels`,
    `a token for ${mergeSize} x ${mergeSize} of them`, ...(deepLayers === 0 ? [] : [`rows for ${plural(deepLayers, 'layer')} more`]),
    ...(file === undefined ? [] : [`in ${printable(file)}${sizeBytes === undefined ? '' : ` (${formatBytes(sizeBytes)})`}`]),
  ];
  return [`sees by a tower of ${family}: ${said.join(', ')}`];
}

function textLines({ tokenizer, endTokens, samplingDefaults, chatTemplates, dialect }: InspectReport): string[] {
  const rows: string[][] = [['tokenizer', describeTokenizer(tokenizer)]];
  if (tokenizer !== null && !isProblem(tokenizer)) {
    const special = Object.entries(tokenizer.special).filter(([, id]) => id !== undefined);
    if (special.length > 0) rows.push(['special tokens', special.map(([name, id]) => `${name} ${id}`).join(', ')]);
    rows.push(['adds', [tokenizer.addBos ? 'BOS' : '', tokenizer.addEos ? 'EOS' : ''].filter(Boolean).join(' and ') || 'nothing']);
    if (tokenizer.limits !== undefined) rows.push(['limits', `${tokenizer.limits}, which only \`tokenize --limits\` applies`]);
    for (const warning of tokenizer.warnings ?? []) rows.push(['warning', printable(warning)]);
  }
  const listed = <Part>(part: Part | Problem, show: (part: Part) => readonly string[], none: string) =>
    isProblem(part) ? printable(part.problem) : show(part).join(', ') || none;
  const endToken = ({ id, text }: { readonly id: number; readonly text: string | null }) =>
    text === null ? String(id) : `${id} ${printable(text)}`;
  rows.push(['end tokens', listed(endTokens, (tokens) => tokens.map(endToken), 'none')]);
  const defaults = (known: object) => Object.entries(known).map(([name, value]) => `${name} ${inJson(value)}`);
  rows.push(['sampling', listed(samplingDefaults, defaults, 'no defaults')]);
  const template = ({ name, characters }: { readonly name: string; readonly characters: number }) =>
    `${printable(name)} (${plural(characters, 'character')})`;
  rows.push(['chat template', listed(chatTemplates, (templates) => templates.map(template), 'none')]);
  rows.push(['answers', isProblem(dialect) ? printable(dialect.problem) : `${dialect} dialect`]);
  return tableLines(rows);
}

function describeTokenizer(tokenizer: InspectReport['tokenizer']): string {
  if (tokenizer === null) return 'none';
  if (isProblem(tokenizer)) return `cannot be read: ${printable(tokenizer.problem)}`;
  return `${tokenizer.kind}, ${plural(tokenizer.vocabSize, 'token')}`;
}

function describeValue(value: MetadataValue): string {
  if (typeof value === 'string') return shorten(JSON.stringify(value));
  if (typeof value !== 'object') return typeof value === 'number' ? formatFloat(value) : String(value);
  const items = Array.from(
    (value as readonly MetadataValue[]).slice(0, MOST_ITEMS),
    (item) => (typeof item === 'object' ? '[...]' : describeValue(item))
  );
  return shorten(`[${items.join(', ')}${value.length > MOST_ITEMS ? ', ...' : ''}] (${plural(value.length, 'item')})`);
}

function inJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'number' ? shortestFloat(inner) : inner));
}

function shorten(text: string): string {
  const shown = printable(text);
  return shown.length <= MOST_CHARACTERS ? shown : `${shown.slice(0, MOST_CHARACTERS - 3)}...`;
}
