/**
 * Values to what a structured clone carries, and back: functions, signals, streams of pieces, errors and schemas of
 * libraries are parts by their path.
 */
import { isStandardSchema, jsonSchemaOf } from '../../engine/standard-schema.ts';
import type { StandardSchema } from '../../engine/standard-schema.ts';
import type { Encoded, Part, Path } from './messages.ts';
import { decodeError, encodeError } from './remote-error.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- any function at all
type AnyFunction = (...args: any[]) => unknown;

/** What stays on this side, and is known to the other by a number. */
export interface Exporter {
  exportFunction(value: AnyFunction): number;
  exportSignal(value: AbortSignal): number;
  exportPieces(value: AsyncIterable<unknown>): number;
}

export interface Importer {
  importFunction(id: number): AnyFunction;
  importSignal(id: number, reason: { readonly value: unknown } | undefined): AbortSignal;
  importPieces(id: number): AsyncIterable<unknown>;
}

/** @throws DataCloneError, from `postMessage`, for what no thread can have */
export function encode(value: unknown, exporter: Exporter): Encoded {
  const parts: Part[] = [];
  return { value: walk(value, [], { exporter, parts }), parts };
}

interface Encoding {
  readonly exporter: Exporter;
  readonly parts: Part[];
}

/** The value without its parts: itself where it has none. */
function walk(value: unknown, path: Path, encoding: Encoding): unknown {
  if (typeof value === 'number' || typeof value === 'string' || value === null || value === undefined) return value;
  if (isStandardSchema(value)) return walkSchema(value, path, encoding);
  const part = partOf(value, path, encoding);
  if (part !== undefined) {
    encoding.parts.push(part);
    return null;
  }
  if (Array.isArray(value)) return value.map((item, i) => walk(item, [...path, i], encoding));
  if (typeof value !== 'object') return value;
  if (ArrayBuffer.isView(value)) return isShared(value) ? (value as Uint8Array).slice() : value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item, [...path, name], encoding)]));
}

/** Memory of threads may not leave a page that is not isolated, and would change under the reader elsewhere. */
function isShared({ buffer }: ArrayBufferView): boolean {
  return !(buffer instanceof ArrayBuffer);
}

function partOf(value: unknown, path: Path, { exporter }: Encoding): Part | undefined {
  if (typeof value === 'function') return { kind: 'function', path, id: exporter.exportFunction(value as AnyFunction) };
  if (value instanceof AbortSignal) {
    const reason = value.aborted ? encode(value.reason, exporter) : undefined;
    return { kind: 'signal', path, id: exporter.exportSignal(value), reason };
  }
  if (isPieces(value)) return { kind: 'pieces', path, id: exporter.exportPieces(value) };
  return value instanceof Error ? { kind: 'error', path, error: encodeError(value) } : undefined;
}

/** A folder gives its files so too, and goes to another thread as it is. */
function isPieces(value: unknown): value is AsyncIterable<unknown> {
  if (typeof value !== 'object' || value === null || !(Symbol.asyncIterator in value)) return false;
  return typeof FileSystemDirectoryHandle === 'undefined' || !(value instanceof FileSystemDirectoryHandle);
}

/** Of a library's schema what the engine reads of it: how it checks, and what it is as JSON Schema, where it can say that. */
function walkSchema(schema: StandardSchema, path: Path, encoding: Encoding): unknown {
  const { version, vendor } = schema['~standard'];
  const json = jsonOf(schema);
  const validate = (value: unknown) => schema['~standard'].validate(value);
  const own = walk({ version, vendor, validate }, [...path, '~standard'], encoding) as object;
  if (json !== undefined) encoding.parts.push({ kind: 'constant', path: [...path, '~standard', 'jsonSchema', 'input'], value: json });
  return { '~standard': json === undefined ? own : { ...own, jsonSchema: { input: null } } };
}

/** Undefined where the library does not say it: the engine says so where it needs it. */
function jsonOf(schema: StandardSchema): unknown {
  try {
    return jsonSchemaOf(schema, '');
  } catch {
    return undefined;
  }
}

/** @param encoded as it came by `postMessage`: its value is changed and given back */
export function decode({ value, parts }: Encoded, importer: Importer): unknown {
  const root = { value };
  for (const part of parts) place(root, ['value', ...part.path], made(part, importer));
  return root.value;
}

function place(root: object, path: Path, value: unknown): void {
  let at = root as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) at = at[step] as Record<string | number, unknown>;
  at[path.at(-1) as string | number] = value;
}

function made(part: Part, importer: Importer): unknown {
  switch (part.kind) {
    case 'function':
      return importer.importFunction(part.id);
    case 'signal':
      return importer.importSignal(part.id, part.reason && { value: decode(part.reason, importer) });
    case 'pieces':
      return importer.importPieces(part.id);
    case 'error':
      return decodeError(part.error);
    case 'constant':
      return () => part.value;
    default:
      throw new Error(`no part of the kind ${String(part satisfies never)}`);
  }
}
