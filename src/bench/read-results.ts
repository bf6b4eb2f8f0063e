/** Reads what `ingot bench --json` wrote. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { InputError } from '../tensor/errors.ts';
import type { Circumstances, LimitShare, Measurement } from './measurement.ts';

/** A line of a file of results. Older lines lack what later ones have. */
export interface ResultRow extends Pick<Measurement, 'measure' | 'unit' | 'engine' | 'runs' | 'median' | 'min' | 'max'> {
  readonly time: string;
  /** Older lines do not say. */
  readonly session?: string | undefined;
  readonly workload: string;
  readonly commit: string | null;
  readonly machine: Partial<Circumstances['machine']> & { readonly cpu: string };
  readonly device?: Partial<Circumstances['device']> | undefined;
  readonly model: Circumstances['model'];
  readonly flags: Measurement['flags'];
  readonly limit: LimitShare | null;
  /** False where its session was stopped before all its runs were there. Older lines do not say. */
  readonly isWhole?: boolean | undefined;
}

export interface Results {
  readonly rows: readonly ResultRow[];
  /** What was left out, for people. */
  readonly notes: readonly string[];
}

/**
 * Rows of the files (JSON lines, also gzipped) in the order of their times, whatever the order of files and lines: what is later is
 * measured later. Lines of other programs of bench/, which say `bench`, are left out with a note.
 * @throws InputError with file and line for what is no result
 */
export function readResults(paths: readonly string[]): Results {
  const notes: string[] = [];
  const rows = paths.flatMap((path) => {
    const lines = textOf(path).split('\n');
    const found = lines.flatMap((line, i) => (line.trim() === '' ? [] : [rowOf(line, `${path}, line ${i + 1}`)]));
    notes.push(...new Set(lines.flatMap((line) => noteOf(line) ?? [])));
    const others = found.filter((row) => row === undefined).length - lines.filter((line) => noteOf(line) !== undefined).length;
    if (others > 0) notes.push(`${path}: ${others} lines are of other benchmarks and are left out`);
    return found.filter((row) => row !== undefined);
  });
  if (rows.length === 0) throw new InputError(`No results in ${paths.join(', ')}. "ingot bench MODEL --json FILE" writes some.`);
  return { rows: rows.toSorted((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time))), notes };
}

/** What a line says was left out. */
function noteOf(line: string): string | undefined {
  if (!line.startsWith('{"note":')) return undefined;
  const { note, model } = JSON.parse(line) as { readonly note: string; readonly model: string };
  return `${model}: ${note}`;
}

function textOf(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
    return (path.endsWith('.gz') ? gunzipSync(bytes, { maxOutputLength: 1 << 29 }) : bytes).toString('utf8');
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

function rowOf(line: string, place: string): ResultRow | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    throw new InputError(`${place}: expected a line of JSON, found ${JSON.stringify(line.slice(0, 40))}`);
  }
  if (typeof parsed !== 'object' || parsed === null) throw new InputError(`${place}: expected an object`);
  if ('bench' in parsed || 'note' in parsed) return undefined;
  const row = parsed as Partial<ResultRow>;
  const missing = (['time', 'measure', 'unit', 'engine', 'model', 'machine', 'runs', 'median'] as const).find(
    (name) => row[name] === undefined,
  );
  if (missing !== undefined) throw new InputError(`${place}: no "${missing}": this is no line of "ingot bench --json"`);
  const figures = [...(Array.isArray(row.runs) ? row.runs : [undefined]), row.median];
  if (figures.length < 2 || !figures.every(isNumber)) throw new InputError(`${place}: "runs" and "median" are no numbers`);
  return { flags: {}, limit: null, commit: null, min: Math.min(...row.runs!), max: Math.max(...row.runs!), ...row } as ResultRow;
}
