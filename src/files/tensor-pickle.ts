/**
 * What torch.save writes about tensors: a pickle (Python's pickletools lists the opcodes). Only what names, numbers, dicts and tensors need
 * is read; nothing that a pickle names is looked up or run, and whatever else it asks for is refused by name.
 */
import { FormatError } from '../tensor/errors.ts';
import type { TensorType } from '../tensor/tensor-type.ts';

/** A tensor of a pickle: a part of a storage, which is a file of the archive. */
export interface PickledTensor {
  readonly kind: 'tensor';
  readonly storage: string;
  readonly type: TensorType;
  /** Values before the first. */
  readonly start: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

interface Global {
  readonly kind: 'global';
  readonly name: string;
}

interface Storage {
  readonly kind: 'storage';
  readonly key: string;
  readonly type: TensorType;
}

export type Pickled = string | number | boolean | null | PickledTensor | Global | Storage | Map<Pickled, Pickled> | Pickled[];

const STORAGES: Readonly<Record<string, TensorType>> = {
  'torch FloatStorage': 'f32', 'torch HalfStorage': 'f16', 'torch BFloat16Storage': 'bf16', 'torch DoubleStorage': 'f64',
  'torch LongStorage': 'i64', 'torch IntStorage': 'i32',
};
const REBUILD = 'torch._utils _rebuild_tensor_v2';
const PARAMETER = 'torch._utils _rebuild_parameter';
const ORDERED = 'collections OrderedDict';
const MOST_VALUES = 1_000_000;

interface Reading {
  readonly bytes: DataView;
  readonly where: string;
  readonly stack: Pickled[];
  /** Heights of the stack where marks are. */
  readonly marks: number[];
  readonly memo: Map<number, Pickled>;
  at: number;
  /** Values and marks that were made. */
  made: number;
}

/** @throws FormatError for a pickle that ends early, and for one that asks for anything but tensors, dicts, lists, texts and numbers */
export function readPickle(bytes: Uint8Array, where: string): Pickled {
  const reading: Reading = {
    bytes: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), where, stack: [], marks: [], memo: new Map(), at: 0,
    made: 0,
  };
  for (;;) {
    const opcode = take(reading, 1, 'getUint8');
    if (opcode === 0x2e) return pop(reading);
    const run = OPCODES.get(opcode);
    if (run === undefined) throw refused(where, `opcode 0x${opcode.toString(16)} (${JSON.stringify(String.fromCharCode(opcode))})`);
    run(reading);
  }
}

function refused(where: string, what: string): FormatError {
  return new FormatError(
    `${where} asks for ${what}: a .pth or .pt file may hold tensors, dicts and numbers, and nothing of it is run. ` +
      'Convert it to safetensors (safetensors.torch.save_file).',
  );
}

function take(reading: Reading, size: number, as: 'getUint8' | 'getUint16' | 'getInt32' | 'getUint32'): number {
  const { at, bytes, where } = reading;
  if (at + size > bytes.byteLength) throw new FormatError(`${where} ends early, at byte ${at}. Copy or download it again.`);
  reading.at += size;
  return as === 'getUint8' ? bytes.getUint8(at) : bytes[as](at, true);
}

function takeText(reading: Reading, size: number): string {
  const { at, bytes, where } = reading;
  if (at + size > bytes.byteLength) throw new FormatError(`${where} ends early, at byte ${at}. Copy or download it again.`);
  reading.at += size;
  return new TextDecoder().decode(new Uint8Array(bytes.buffer, bytes.byteOffset + at, size));
}

function takeLine(reading: Reading): string {
  let end = reading.at;
  while (end < reading.bytes.byteLength && reading.bytes.getUint8(end) !== 10) end++;
  const line = takeText(reading, end - reading.at);
  take(reading, 1, 'getUint8');
  return line;
}

function pop({ stack, marks, where }: Reading): Pickled {
  if (stack.length <= (marks.at(-1) ?? 0)) throw new FormatError(`${where} is a damaged pickle: a value is missing.`);
  return stack.pop() as Pickled;
}

/** What lies above the last mark. */
function popMarked({ stack, marks, where }: Reading): Pickled[] {
  const from = marks.pop();
  if (from === undefined) throw new FormatError(`${where} is a damaged pickle: a mark is missing.`);
  return stack.splice(from);
}

function setItems(reading: Reading, items: readonly Pickled[]): void {
  const target = reading.stack.at(-1);
  if (!(target instanceof Map) || items.length % 2 !== 0) throw refused(reading.where, 'items of what is no dict');
  for (let i = 0; i < items.length; i += 2) target.set(items[i] as Pickled, items[i + 1] as Pickled);
}

function append(reading: Reading, items: readonly Pickled[]): void {
  const target = reading.stack.at(-1);
  if (!Array.isArray(target)) throw refused(reading.where, 'items of what is no list');
  for (const item of items) target.push(item);
}

/** Each is an opcode, which may be one byte: so many that memory ends would fit a file. */
function count(reading: Reading): void {
  if (++reading.made > MOST_VALUES)
    throw new FormatError(`${reading.where}: expected a list of tensors, found more than ${MOST_VALUES} values.`);
}

const push = (make: (reading: Reading) => Pickled) => (reading: Reading): void => {
  const value = make(reading);
  count(reading);
  reading.stack.push(value);
};
const put = (size: 1 | 4) => (reading: Reading): void => {
  reading.memo.set(take(reading, size, size === 1 ? 'getUint8' : 'getUint32'), reading.stack.at(-1) ?? null);
};
const get = (size: 1 | 4) => push((reading) => {
  const value = reading.memo.get(take(reading, size, size === 1 ? 'getUint8' : 'getUint32'));
  if (value === undefined) throw new FormatError(`${reading.where} is a damaged pickle: it repeats what was not there.`);
  return value;
});
const tuple = (size: number) => push((reading) => Array.from({ length: size }, () => pop(reading)).toReversed());

const OPCODES: ReadonlyMap<number, (reading: Reading) => void> = new Map([
  [0x80, (r) => void take(r, 1, 'getUint8')],
  [0x95, (r) => void (take(r, 4, 'getUint32'), take(r, 4, 'getUint32'))],
  [0x28, (r) => { count(r); r.marks.push(r.stack.length); }],
  [0x30, (r) => void pop(r)],
  [0x4e, push(() => null)],
  [0x88, push(() => true)],
  [0x89, push(() => false)],
  [0x4b, push((r) => take(r, 1, 'getUint8'))],
  [0x4d, push((r) => take(r, 2, 'getUint16'))],
  [0x4a, push((r) => take(r, 4, 'getInt32'))],
  [0x8a, push(takeLong)],
  [0x58, push((r) => takeText(r, take(r, 4, 'getUint32')))],
  [0x8c, push((r) => takeText(r, take(r, 1, 'getUint8')))],
  [0x7d, push(() => new Map())],
  [0x5d, push(() => [])],
  [0x29, push(() => [])],
  [0x85, tuple(1)], [0x86, tuple(2)], [0x87, tuple(3)],
  [0x74, push((r) => popMarked(r))],
  [0x6c, push((r) => popMarked(r))],
  [0x71, put(1)], [0x72, put(4)],
  [0x94, (r) => void r.memo.set(r.memo.size, r.stack.at(-1) ?? null)],
  [0x68, get(1)], [0x6a, get(4)],
  [0x73, (r) => { const value = pop(r); setItems(r, [pop(r), value]); }],
  [0x75, (r) => setItems(r, popMarked(r))],
  [0x61, (r) => append(r, [pop(r)])],
  [0x65, (r) => append(r, popMarked(r))],
  [0x63, push((r) => globalOf(r.where, `${takeLine(r)} ${takeLine(r)}`))],
  [0x93, push(globalOfStack)],
  [0x51, push((r) => storageOf(r, pop(r)))],
  [0x52, push((r) => { const args = pop(r); return made(r, pop(r), args); })],
  // What else an object has: a state dict says which versions of modules wrote it.
  [0x62, (r) => void pop(r)],
] satisfies [number, (reading: Reading) => void][]);

/** A whole number of up to 6 bytes, least first. */
function takeLong(reading: Reading): number {
  const size = take(reading, 1, 'getUint8');
  if (size > 6) throw refused(reading.where, `a number of ${size} bytes`);
  let value = 0;
  for (let i = 0; i < size; i++) value += take(reading, 1, 'getUint8') * 256 ** i;
  return size > 0 && value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value;
}

/** A module's name and one in it, of the stack. Lists are not printed: one may hold another many times, many deep. */
function globalOfStack(reading: Reading): Global {
  const [name, module] = [pop(reading), pop(reading)];
  if (typeof name !== 'string' || typeof module !== 'string') throw refused(reading.where, 'a name that is no text');
  return globalOf(reading.where, `${module} ${name}`);
}

function globalOf(where: string, name: string): Global {
  if (name !== REBUILD && name !== PARAMETER && name !== ORDERED && !Object.hasOwn(STORAGES, name))
    throw refused(where, JSON.stringify(name.slice(0, 100)));
  return { kind: 'global', name };
}

function storageOf({ where }: Reading, id: Pickled): Storage {
  const [kind, of, key] = Array.isArray(id) ? id : [];
  const type = isGlobal(of) ? STORAGES[of.name] : undefined;
  if (kind !== 'storage' || type === undefined || typeof key !== 'string')
    throw refused(where, 'a storage that is not named as torch names it');
  return { kind: 'storage', key, type };
}

function isGlobal(value: Pickled | undefined): value is Global {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'global';
}

function isCounts(value: Pickled | undefined): value is number[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'number' && Number.isSafeInteger(each) && each >= 0);
}

function made({ where }: Reading, of: Pickled, args: Pickled): Pickled {
  if (!isGlobal(of) || !Array.isArray(args)) throw refused(where, 'a call of what is no function');
  if (of.name === ORDERED && args.length === 0) return new Map();
  if (of.name === PARAMETER) return args[0] ?? null;
  const [storage, start, shape, strides] = args;
  const isStorage = typeof storage === 'object' && storage !== null && 'kind' in storage && storage.kind === 'storage';
  const isPart = typeof start === 'number' && isCounts(shape) && isCounts(strides) && shape.length === strides.length;
  if (of.name !== REBUILD || !isStorage || !isPart)
    throw refused(where, `a call of ${JSON.stringify(of.name)} with other arguments`);
  return { kind: 'tensor', storage: storage.key, type: storage.type, start, shape, strides };
}
