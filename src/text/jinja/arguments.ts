/** Arguments of filters, tests, methods and functions, bound to parameters as Python binds them. */
import { TemplateError } from './template-errors.ts';
import type { TemplateText } from './template-text.ts';
import { isInt, isText, typeName } from './values.ts';
import type { Named, Value } from './values.ts';

/** A name, with a default where it may be left out. */
export type Parameter = string | readonly [name: string, fallback: Value];

export interface GivenArguments {
  readonly args: readonly Value[];
  readonly named: Named;
}

/**
 * Values of the parameters, in their order.
 * @param positionOnly none of them can be given by name
 * @throws TemplateError for too many arguments, a missing one or an unknown name
 */
export function bindArguments(
  where: string,
  parameters: readonly Parameter[],
  { args, named }: GivenArguments,
  positionOnly = false,
): Value[] {
  if (args.length > parameters.length)
    throw new TemplateError(`${where} takes at most ${parameters.length} arguments, but ${args.length} are given`);
  const names = parameters.map((parameter) => (typeof parameter === 'string' ? parameter : parameter[0]));
  for (const name of named.keys()) {
    const index = names.indexOf(name);
    if (index < 0 || positionOnly) throw new TemplateError(`${where} has no argument "${name.slice(0, 60)}"`);
    if (index < args.length) throw new TemplateError(`${where}: the argument "${name}" is given twice`);
  }
  return parameters.map((parameter, index) => {
    if (index < args.length) return args[index];
    const name = names[index]!;
    if (named.has(name)) return named.get(name);
    if (typeof parameter === 'string') throw new TemplateError(`${where}: the argument "${name}" is missing`);
    return parameter[1];
  });
}

export function textArgument(value: Value, where: string): TemplateText {
  if (isText(value)) return value;
  throw new TemplateError(`${where}: expected a string, found ${typeName(value)}`);
}

const maxSize = 2 ** 63;

/** An int that is a size: beyond 64 bits Python has an error, too. What a double cannot hold becomes the largest that it can. */
export function intArgument(value: Value, where: string): number {
  const size = positionArgument(value, where);
  if (Number(value) >= maxSize || Number(value) < -maxSize) throw new TemplateError(`${where}: an integer is too large`);
  return size;
}

/** An int that is a position: the largest stand for all beyond them. */
export function positionArgument(value: Value, where: string): number {
  if (!isInt(value)) throw new TemplateError(`${where}: expected an integer, found ${typeName(value)}`);
  return Math.min(Math.max(Number(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}
