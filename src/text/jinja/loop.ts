/** The variable `loop`. Its items come from an iterator, and only as far as somebody asks. */
import { bindArguments } from './arguments.ts';
import { isEqual } from './compare.ts';
import type { Budget } from './budget.ts';
import { TemplateError } from './template-errors.ts';
import type { Callable, Opaque, Value } from './values.ts';

export interface LoopState {
  readonly variable: Opaque;
  /** Goes to the next item. @returns whether there is one */
  advance(): boolean;
  item(): Value;
}

export interface LoopOptions {
  readonly items: Iterator<Value>;
  readonly depth: number;
  readonly budget: Budget;
  /** Runs the loop for other items; only where it is recursive. */
  readonly recurse: ((items: Value) => Value) | undefined;
}

export function createLoop({ items, depth, budget, recurse }: LoopOptions): LoopState {
  const ahead = lookAhead(items, budget);
  let index = -1;
  let [previous, item]: [Value, Value] = [undefined, undefined];
  const length = (): number => index + 1 + ahead.countRest();
  const attributes: Readonly<Record<string, () => Value>> = {
    index: () => index + 1,
    index0: () => index,
    revindex: () => length() - index,
    revindex0: () => length() - index - 1,
    first: () => index === 0,
    last: () => !ahead.hasNext(),
    length,
    depth: () => depth + 1,
    depth0: () => depth,
    previtem: () => previous,
    nextitem: () => ahead.peek(),
    cycle: () => ({ name: 'cycle', call: (args) => cycled(args, index) }),
    changed: () => changed,
  };
  const changed = changeDetector(budget);
  const variable: Opaque = {
    typeName: 'LoopContext',
    get shown() {
      return `<LoopContext ${index + 1}/${length()}>`;
    },
    attribute: (name) => (Object.hasOwn(attributes, name) ? attributes[name]!() : undefined),
    call(args, named) {
      if (recurse === undefined) throw new TemplateError('loop() needs a loop that is marked "recursive"');
      const [inner] = bindArguments('loop', ['iterable'], { args, named });
      return recurse(inner);
    },
    length,
  };
  const advance = (): boolean => {
    if (!ahead.hasNext()) return false;
    [previous, item] = [index < 0 ? undefined : item, ahead.take()];
    index++;
    return true;
  };
  return { variable, advance, item: () => item };
}

interface LookAhead {
  hasNext(): boolean;
  /** The next item, which stays; undefined where there is none. */
  peek(): Value;
  take(): Value;
  /** Reads all that is left, and keeps it. */
  countRest(): number;
}

function lookAhead(items: Iterator<Value>, budget: Budget): LookAhead {
  let kept: Value[] = [];
  let taken = 0;
  const read = (): boolean => {
    budget.spend(1);
    const step = items.next();
    if (!step.done) kept.push(step.value);
    return !step.done;
  };
  const hasNext = (): boolean => taken < kept.length || read();
  return {
    hasNext,
    peek: () => (hasNext() ? kept[taken] : undefined),
    take() {
      const item = kept[taken++];
      if (taken === kept.length) [kept, taken] = [[], 0];
      return item;
    },
    countRest() {
      while (read());
      return kept.length - taken;
    },
  };
}

function cycled(args: readonly Value[], index: number): Value {
  if (args.length === 0) throw new TemplateError('loop.cycle: there is nothing to cycle through');
  return args[index % args.length];
}

/** Whether its arguments differ from those of the call before. */
function changeDetector(budget: Budget): Callable {
  let last: Value;
  return {
    name: 'changed',
    call(args) {
      const value: Value = { tuple: [...args] };
      const isSame = last !== undefined && isEqual(last, value, budget);
      last = value;
      return !isSame;
    },
  };
}
