/** What a template can call by name, as transformers provides it. */
import { bindArguments, positionArgument, textArgument } from './arguments.ts';
import type { Parameter } from './arguments.ts';
import type { Budget } from './budget.ts';
import { dictItems, dictOf } from './dict.ts';
import { itemsOf } from './iterate.ts';
import { textOf } from './printing.ts';
import { formatTime } from './strftime.ts';
import { TemplateError, TemplateRefusal } from './template-errors.ts';
import { foreignText, ownText, rewriteText } from './template-text.ts';
import { isDict, isText, rangeLength } from './values.ts';
import type { Callable, Named, Opaque, Value } from './values.ts';

/** @param now the time that strftime_now tells */
export function templateGlobals(now: Date, budget: Budget): Map<string, Value> {
  const functions: Callable[] = [
    bound('raise_exception', ['message'], ([message]) => raise(message, budget)),
    bound('strftime_now', ['format'], ([format]) => rewriteText(textArgument(format, 'strftime_now'), (text) => formatTime(text, now))),
    { name: 'range', shown: "<class 'range'>", call: (args, named) => range(args, named, budget) },
    {
      name: 'namespace',
      shown: "<class 'jinja2.utils.Namespace'>",
      call: (args, named) => ({ fields: new Map(fieldsOf(args, named, budget)) }),
    },
    { name: 'dict', shown: "<class 'dict'>", call: (args, named) => dictOf(pairsOf(args, named, budget)) },
    { name: 'cycler', shown: "<class 'jinja2.utils.Cycler'>", call: cycler },
    { name: 'joiner', shown: "<class 'jinja2.utils.Joiner'>", call: joiner },
    {
      name: 'lipsum',
      call() {
        throw new TemplateError('the function "lipsum" is not supported: text by chance gives no prompt that can be repeated');
      },
    },
  ];
  return new Map<string, Value>(functions.map((each) => [each.name, each] as const));
}

function bound(name: string, parameters: readonly Parameter[], apply: (args: readonly Value[]) => Value): Callable {
  return { name, call: (args, named) => apply(bindArguments(name, parameters, { args, named })) };
}

const shownChars = 500;

function raise(message: Value, budget: Budget): never {
  throw new TemplateRefusal(textOf(message, budget).text.slice(0, shownChars));
}

function pairsOf(args: readonly Value[], named: Named, budget: Budget): [Value, Value][] {
  if (args.length > 1) throw new TemplateError('dict takes at most one argument without a name');
  const [value] = args;
  if (args.length === 1 && value === undefined) throw new TemplateError('dict: the value is undefined');
  const items = value === undefined ? [] : isDict(value) ? dictItems(value) : itemsOf(value, budget);
  const pairs = items.map((pair): [Value, Value] => {
    const parts = itemsOf(pair, budget);
    if (parts.length !== 2) throw new TemplateError('expected pairs of a name and a value');
    return [parts[0], parts[1]];
  });
  for (const [name, item] of named) pairs.push([foreignText(name), item]);
  return pairs;
}

function fieldsOf(args: readonly Value[], named: Named, budget: Budget): [string, Value][] {
  return pairsOf(args, named, budget).map(([key, value]) => {
    if (!isText(key)) throw new TemplateError('namespace: the name of a field should be a string');
    return [key.text, value];
  });
}

/** As in jinja2's sandbox. */
const maxRange = 100_000;

function range(args: readonly Value[], named: Named, budget: Budget): Value {
  if (named.size > 0 || args.length === 0 || args.length > 3) throw new TemplateError('range takes from one to three integers');
  const numbers = args.map((arg) => positionArgument(arg, 'range'));
  const [start, stop] = numbers.length > 1 ? [numbers[0]!, numbers[1]!] : [0, numbers[0]!];
  const step = numbers[2] ?? 1;
  if (step === 0) throw new TemplateError('range: the step is zero');
  const made = { start, stop, step };
  if (rangeLength(made) > maxRange)
    throw new TemplateError(`range: going through it took more than ${maxRange} steps; it may loop without end`);
  budget.spend(1);
  return made;
}

function cycler(args: readonly Value[], named: Named): Opaque {
  if (named.size > 0 || args.length === 0) throw new TemplateError('cycler takes one or more values, without names');
  let at = 0;
  const methods: Readonly<Record<string, () => Value>> = {
    next() {
      const value = args[at];
      at = (at + 1) % args.length;
      return value;
    },
    reset() {
      at = 0;
      return null;
    },
  };
  return {
    typeName: 'Cycler',
    shown: '<jinja2.utils.Cycler object>',
    attribute(name) {
      if (name === 'current') return args[at];
      if (name === 'pos') return at;
      if (name === 'items') return { tuple: args };
      return Object.hasOwn(methods, name) ? bound(name, [], methods[name]!) : undefined;
    },
  };
}

function joiner(args: readonly Value[], named: Named): Opaque {
  const [separator] = bindArguments('joiner', [['sep', ownText(', ')]], { args, named });
  let isUsed = false;
  return {
    typeName: 'Joiner',
    shown: '<jinja2.utils.Joiner object>',
    attribute: (name) => (name === 'sep' ? separator : name === 'used' ? isUsed : undefined),
    call() {
      if (isUsed) return separator;
      isUsed = true;
      return ownText('');
    },
  };
}
