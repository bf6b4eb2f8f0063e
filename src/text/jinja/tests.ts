/** jinja2's tests: what stands behind `is`. */
import { applyArithmetic } from './arithmetic.ts';
import { bindArguments } from './arguments.ts';
import type { Parameter } from './arguments.ts';
import { applyComparison, isEqual } from './compare.ts';
import { hashOf } from './dict.ts';
import type { FilterCall } from './filter.ts';
import { isIterable } from './iterate.ts';
import type { Comparison } from './nodes.ts';
import { textOf } from './printing.ts';
import type { RunContext } from './scope.ts';
import { TemplateError } from './template-errors.ts';
import { isLowerText, isUpperText } from './text-case.ts';
import { isCallable, isDict, isFloat, isInt, isOpaque, isRange, isText, isTuple, isView, numberOf, sequenceOf } from './values.ts';
import type { Value } from './values.ts';

type Test = (value: Value, call: FilterCall) => boolean;

function test(
  name: string,
  parameters: readonly Parameter[],
  check: (value: Value, args: readonly Value[], run: RunContext) => boolean,
): readonly [string, Test] {
  return [name, (value, call) => check(value, bindArguments(name, parameters, call), call.run)];
}

const plain = (name: string, check: (value: Value, run: RunContext) => boolean): readonly [string, Test] =>
  test(name, [], (value, _args, run) => check(value, run));

const comparing = (operator: Comparison, names: readonly string[]): (readonly [string, Test])[] =>
  [operator, ...names].map((name) => test(name, ['other'], (value, [other], run) => applyComparison(operator, value, other, run.budget)));

function rest(value: Value, divisor: Value, { budget }: RunContext): Value {
  return applyArithmetic('%', value, divisor, budget);
}

function isNameOf(value: Value, names: ReadonlySet<string>): boolean {
  // What holds values and has no hash is an error, as in Python.
  if (sequenceOf(value) !== undefined || isDict(value) || isView(value)) hashOf(value);
  return isText(value) && names.has(value.text);
}

/** Python's `is`: one object, as far as values here are. */
function isSame(left: Value, right: Value): boolean {
  if (isText(left) && isText(right)) return left.text === right.text && !left.markup && !right.markup;
  if (typeof left === 'bigint' || typeof right === 'bigint' || left === undefined) return false;
  // Python has one empty tuple.
  return left === right || (isTuple(left) && isTuple(right) && left.tuple.length + right.tuple.length === 0);
}

const tests: ReadonlyMap<string, Test> = new Map<string, Test>([
  plain('defined', (value) => value !== undefined),
  plain('undefined', (value) => value === undefined),
  plain('none', (value) => value === null),
  plain('boolean', (value) => typeof value === 'boolean'),
  plain('true', (value) => value === true),
  plain('false', (value) => value === false),
  plain('integer', (value) => isInt(value) && typeof value !== 'boolean'),
  plain('float', isFloat),
  plain('number', (value) => numberOf(value) !== undefined),
  plain('string', isText),
  plain('mapping', isDict),
  plain(
    'sequence',
    (value) => value === undefined || isText(value) || isDict(value) || isRange(value) || sequenceOf(value) !== undefined,
  ),
  plain('iterable', (value) => isIterable(value) || (isOpaque(value) && value.length !== undefined)),
  plain('callable', (value) => value === undefined || isCallable(value)),
  plain('escaped', (value) => isText(value) && value.markup === true),
  plain('odd', (value, run) => isEqual(rest(value, 2, run), 1, run.budget)),
  plain('even', (value, run) => isEqual(rest(value, 2, run), 0, run.budget)),
  test('divisibleby', ['num'], (value, [num], run) => isEqual(rest(value, num, run), 0, run.budget)),
  plain('lower', (value, { budget }) => isLowerText(textOf(value, budget).text)),
  plain('upper', (value, { budget }) => isUpperText(textOf(value, budget).text)),
  plain('filter', (value, { known }) => isNameOf(value, known.filters)),
  plain('test', (value, { known }) => isNameOf(value, known.tests)),
  test('sameas', ['other'], (value, [other]) => isSame(value, other)),
  test('in', ['seq'], (value, [seq], run) => applyComparison('in', value, seq, run.budget)),
  ...comparing('==', ['eq', 'equalto']),
  ...comparing('!=', ['ne']),
  ...comparing('<', ['lt', 'lessthan']),
  ...comparing('<=', ['le']),
  ...comparing('>', ['gt', 'greaterthan']),
  ...comparing('>=', ['ge']),
]);

export const testNames: ReadonlySet<string> = new Set(tests.keys());

/** @throws TemplateError for a test that is not known */
export function applyTest(name: string, value: Value, call: FilterCall): boolean {
  const found = tests.get(name);
  if (found === undefined) throw new TemplateError(`there is no test "${name.slice(0, 60)}"`);
  return found(value, call);
}
