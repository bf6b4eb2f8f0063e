/** Methods of dicts, lists, tuples and numbers that do not change them; those that do are not there, as in jinja2's sandbox. */
import { intOf } from './arithmetic.ts';
import { bindArguments, positionArgument } from './arguments.ts';
import type { GivenArguments } from './arguments.ts';
import type { Budget } from './budget.ts';
import { isEqual } from './compare.ts';
import { dictItems, dictKeys, dictOf, dictValues, entryOf } from './dict.ts';
import { fractionOf } from './exact-float.ts';
import { itemsOf } from './iterate.ts';
import { TemplateError } from './template-errors.ts';
import { markupMethods, textMethods } from './text-methods.ts';
import { isDict, isFloat, isInt, isList, isRange, isText, isTuple } from './values.ts';
import type { Callable, Dict, Value } from './values.ts';

type Method<Self> = (self: Self, given: GivenArguments, budget: Budget) => Value;

/** A method bound to its value or an attribute, or undefined where there is none of that name. */
export function methodOf(self: Value, name: string, budget: Budget): Value {
  if (isText(self)) return bind((self.markup && markupMethods.get(name)) ?? textMethods.get(name), { self, name, type: 'str' }, budget);
  if (isDict(self)) return bind(own(dictMethods, name), { self, name, type: 'dict' }, budget);
  if (isTuple(self))
    return (
      (self.names !== undefined && Object.hasOwn(self.names, name) ? self.names[name] : undefined) ??
      bind(own(sequenceMethods, name), { self, name, type: 'tuple' }, budget)
    );
  if (isList(self)) return bind(own(listMethods, name), { self, name, type: 'list' }, budget);
  if (isInt(self)) return intAttribute(BigInt(self), name);
  if (isFloat(self)) return floatAttribute(self.float, name);
  if (isRange(self))
    return name === 'start' || name === 'stop' || name === 'step'
      ? self[name]
      : bind(own(sequenceMethods, name), { self, name, type: 'range' }, budget);
  return undefined;
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

interface Bound<Self> {
  readonly self: Self;
  readonly name: string;
  readonly type: string;
}

function bind<Self>(method: Method<Self> | undefined, { self, name, type }: Bound<Self>, budget: Budget): Callable | undefined {
  return (
    method && { name, shown: `<built-in method ${name} of ${type} object>`, call: (args, named) => method(self, { args, named }, budget) }
  );
}

const viewMethod =
  (name: 'dict_items' | 'dict_keys' | 'dict_values', items: (dict: Dict) => Value[]): Method<Dict> =>
  (self, given, budget) => {
    bindArguments(name, [], given);
    budget.allowItems(self.entries.size);
    return { view: name, items: items(self) };
  };

const dictMethods: Readonly<Record<string, Method<Dict>>> = {
  get: (self, given) => {
    const [key, fallback] = bindArguments('get', ['key', ['default', null]], given, true);
    const entry = entryOf(self, key);
    return entry === undefined ? fallback : entry.value;
  },
  items: viewMethod('dict_items', dictItems),
  keys: viewMethod('dict_keys', dictKeys),
  values: viewMethod('dict_values', dictValues),
  copy: (self, given) => {
    bindArguments('copy', [], given);
    return self;
  },
  fromkeys: (_self, given, budget) => {
    const [keys, value] = bindArguments('fromkeys', ['keys', ['value', null]], given, true);
    return dictOf(itemsOf(keys, budget).map((key) => [key, value] as const));
  },
};

const sequenceMethods: Readonly<Record<string, Method<Value>>> = {
  count: (self, given, budget) => {
    const [value] = bindArguments('count', ['value'], given, true);
    return itemsOf(self, budget).filter((item) => isEqual(item, value, budget)).length;
  },
  index: (self, given, budget) => {
    const items = itemsOf(self, budget);
    const [value, start, stop] = bindArguments('index', ['value', ['start', 0], ['stop', items.length]], given, true);
    const resolve = (at: number): number => Math.max(0, at < 0 ? at + items.length : at);
    const from = resolve(positionArgument(start, 'index'));
    const to = resolve(positionArgument(stop, 'index'));
    const found = items.findIndex((item, at) => at >= from && at < to && isEqual(item, value, budget));
    if (found < 0) throw new TemplateError('index: the value is not in the list');
    return found;
  },
};

const listMethods: Readonly<Record<string, Method<Value>>> = {
  ...sequenceMethods,
  copy: (self, given, budget) => {
    bindArguments('copy', [], given);
    return [...itemsOf(self, budget)];
  },
};

function constant(name: string, value: Value): Callable {
  return {
    name,
    call(args, named) {
      bindArguments(name, [], { args, named });
      return value;
    },
  };
}

function intAttribute(value: bigint, name: string): Value {
  const plain: Value = Number.isSafeInteger(Number(value)) ? Number(value) : value;
  const bits = (value < 0n ? -value : value).toString(2);
  switch (name) {
    case 'real':
    case 'numerator':
      return plain;
    case 'imag':
      return 0;
    case 'denominator':
      return 1;
    case 'conjugate':
      return constant(name, plain);
    case 'bit_length':
      return constant(name, value === 0n ? 0 : bits.length);
    case 'bit_count':
      return constant(name, bits.replaceAll('0', '').length);
    case 'as_integer_ratio':
      return constant(name, { tuple: [plain, 1] });
    default:
      return undefined;
  }
}

function floatAttribute(value: number, name: string): Value {
  switch (name) {
    case 'real':
      return { float: value };
    case 'imag':
      return { float: 0 };
    case 'conjugate':
      return constant(name, { float: value });
    case 'is_integer':
      return constant(name, Number.isInteger(value));
    case 'hex':
      return constant(name, { text: hexText(value), foreign: [] });
    case 'as_integer_ratio':
      return constant(name, { tuple: integerRatio(value) });
    default:
      return undefined;
  }
}

function integerRatio(value: number): [Value, Value] {
  if (!Number.isFinite(value)) throw new TemplateError('as_integer_ratio: an infinite number is no ratio of integers');
  let { numerator, denominator } = fractionOf(value);
  // The denominator is a power of two.
  while (denominator > 1n && (numerator & 1n) === 0n) [numerator, denominator] = [numerator >> 1n, denominator >> 1n];
  return [intOf(value < 0 ? -numerator : numerator), intOf(denominator)];
}

function hexText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value < 0 ? '-inf' : 'inf';
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const biased = Number(bits >> 52n);
  const digits = (bits & ((1n << 52n) - 1n)).toString(16).padStart(13, '0');
  const exponent = biased === 0 ? (value === 0 ? 0 : -1022) : biased - 1023;
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const mantissa = value === 0 ? '0.0' : `${biased === 0 ? 0 : 1}.${digits}`;
  return `${sign}0x${mantissa}p${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`;
}
