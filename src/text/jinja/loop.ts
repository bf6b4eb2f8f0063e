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
  const ahead: Value[] = [];
  let index = -1;
  let [previous, item]: [Value, Value] = [undefined, undefined];
  let changed: Value;
  const peek = (count: number): boolean => {
    while (ahead.length < count) {
      budget.spend(1);
      const step = items.next();
      if (step.done) return false;
      ahead.push(step.value);
    }
    return true;
  };
  const length = (): number => {
    while (peek(ahead.length + 1));
    return index + 1 + ahead.length;
  };
  const callables: Readonly<Record<string, Callable['call']>> = {
    cycle(args) {
      if (args.length === 0) throw new TemplateError('loop.cycle: there is nothing to cycle through');
      return args[index % args.length];
    },
    changed(args) {
      const value: Value = { tuple: [...args] };
      const isSame = changed !== undefined && isEqual(changed, value, budget);
      changed = value;
      return !isSame;
    },
  };
  const attributes: Readonly<Record<string, () => Value>> = {
    index: () => index + 1,
    index0: () => index,
    revindex: () => length() - index,
    revindex0: () => length() - index - 1,
    first: () => index === 0,
    last: () => !peek(1),
    length,
    depth: () => depth + 1,
    depth0: () => depth,
    previtem: () => previous,
    nextitem: () => (peek(1) ? ahead[0] : undefined),
  };
  const variable: Opaque = {
    typeName: 'LoopContext',
    get shown() {
      return `<LoopContext ${index + 1}/${length()}>`;
    },
    attribute(name) {
      if (Object.hasOwn(attributes, name)) return attributes[name]!();
      return Object.hasOwn(callables, name) ? { name, call: callables[name]! } : undefined;
    },
    call(args, named) {
      if (recurse === undefined) throw new TemplateError('loop() needs a loop that is marked "recursive"');
      const [inner] = bindArguments('loop', ['iterable'], { args, named });
      return recurse(inner);
    },
    length,
  };
  const advance = (): boolean => {
    if (!peek(1)) return false;
    [previous, item] = [index < 0 ? undefined : item, ahead.shift()];
    index++;
    return true;
  };
  return { variable, advance, item: () => item };
}
