/** What a template can call by name, as transformers provides it. */
import type { Budget } from './budget.ts';
import { itemsOf } from './filters.ts';
import { intArgument } from './methods.ts';
import { textOf } from './printing.ts';
import { isTemplateText, ownText } from './template-text.ts';
import { isDict, isList, TemplateError, TemplateRefusal } from './values.ts';
import type { Callable, Value } from './values.ts';

/** @param now the time that strftime_now tells */
export function templateGlobals(now: Date, budget: Budget): Map<string, Value> {
  const functions: Callable[] = [
    { name: 'raise_exception', call: ([message]) => raise(message, budget) },
    { name: 'strftime_now', call: ([format]) => ownText(formatTime(textOf(format, budget).text, now)) },
    { name: 'range', call: (args) => range(args, budget) },
    { name: 'namespace', call: (args, named) => ({ fields: new Map([...pairsOf(args[0], budget), ...named]) }) },
    { name: 'dict', call: (args, named) => ({ entries: new Map([...pairsOf(args[0], budget), ...named]), foreignKeys: true }) },
    { name: 'list', call: ([value]) => [...itemsOf(value, budget)] },
    { name: 'str', call: ([value]) => textOf(value, budget) },
  ];
  const constants: [string, Value][] = [
    ['true', true],
    ['True', true],
    ['false', false],
    ['False', false],
    ['none', null],
    ['None', null],
  ];
  return new Map<string, Value>([...constants, ...functions.map((each) => [each.name, each] as const)]);
}

const shownChars = 500;

function raise(message: Value, budget: Budget): never {
  throw new TemplateRefusal(textOf(message, budget).text.slice(0, shownChars));
}

function pairsOf(value: Value, budget: Budget): [string, Value][] {
  if (value === undefined) return [];
  if (isDict(value)) return [...value.entries];
  return itemsOf(value, budget).map((pair) => {
    const [key, item] = isList(pair) && pair.length === 2 ? pair : [];
    if (!isTemplateText(key)) throw new TemplateError('expected pairs of a name and a value');
    return [key.text, item];
  });
}

function range(args: readonly Value[], budget: Budget): Value {
  const numbers = args.map((arg) => intArgument(arg, 'range'));
  const [start, stop] = numbers.length > 1 ? [numbers[0]!, numbers[1]!] : [0, numbers[0] ?? 0];
  const step = numbers[2] ?? 1;
  if (step === 0) throw new TemplateError('range: the step is zero');
  const count = Math.max(0, Math.ceil((stop - start) / step));
  budget.allowItems(count);
  return Array.from({ length: count }, (_, index) => start + index * step);
}

const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const maxFormatUnits = 1000;

/** Python's strftime in the C locale, in local time. */
function formatTime(format: string, now: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const startOfYear = new Date(now.getFullYear(), 0, 1);
  const dayOfYear = 1 + Math.round((new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime() - startOfYear.getTime()) / 86_400_000);
  const parts: Readonly<Record<string, string>> = {
    Y: String(now.getFullYear()),
    y: two(now.getFullYear() % 100),
    m: two(now.getMonth() + 1),
    d: two(now.getDate()),
    e: String(now.getDate()).padStart(2, ' '),
    B: months[now.getMonth()]!,
    b: months[now.getMonth()]!.slice(0, 3),
    A: days[now.getDay()]!,
    a: days[now.getDay()]!.slice(0, 3),
    H: two(now.getHours()),
    I: two(now.getHours() % 12 || 12),
    M: two(now.getMinutes()),
    S: two(now.getSeconds()),
    p: now.getHours() < 12 ? 'AM' : 'PM',
    j: String(dayOfYear).padStart(3, '0'),
    '%': '%',
  };
  const expand = (text: string): string => text.replace(/%-?([A-Za-z%])/g, (whole, letter: string) => {
    const part = parts[letter] ?? whole;
    return whole.startsWith('%-') ? part.replace(/^[0 ](?=.)/, '') : part;
  });
  const composed = format.slice(0, maxFormatUnits).replaceAll('%F', '%Y-%m-%d').replaceAll('%T', '%H:%M:%S');
  return expand(composed);
}
