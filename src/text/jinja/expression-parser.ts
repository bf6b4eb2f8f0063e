/** Expressions of a template. Every function reads one level of precedence, as jinja2's grammar has them. */
import type { Arguments, Arithmetic, Call, Comparison, Expression, Filter } from './nodes.ts';
import { current, describe, expect, fail, following, isAt, isAtName, isAtOperator, isToken, nested, next, skip } from './token-stream.ts';
import type { TokenStream } from './token-stream.ts';

/** A chain such as `a + b + c` is a tree as deep as it is long. */
const maxChain = 400;

interface TupleRules {
  /** `()` may be empty. */
  readonly parenthesized?: boolean;
  readonly withoutIf?: boolean;
}

/** One expression, or several with commas between them: a tuple. */
export function parseTuple(stream: TokenStream, rules: TupleRules = {}): Expression {
  const parse = rules.withoutIf ? parseOr : parseExpression;
  const { items, isTuple } = parseTupleItems(stream, parse);
  if (isTuple) return { kind: 'tuple', items };
  if (items.length > 0) return items[0]!;
  if (!rules.parenthesized) fail(stream, `expected an expression, found ${describe(current(stream))}`);
  return { kind: 'tuple', items };
}

/** Items with commas between them up to the end of a tag or a `)`. */
export function parseTupleItems<T>(stream: TokenStream, parse: (stream: TokenStream) => T): { items: T[]; isTuple: boolean } {
  const items: T[] = [];
  const isOver = (): boolean => isAt(stream, 'variable_end') || isAt(stream, 'block_end') || isAtOperator(stream, ')');
  while (!isOver()) {
    items.push(parse(stream));
    if (!skip(stream, 'operator', ',')) return { items, isTuple: items.length > 1 };
  }
  return { items, isTuple: items.length > 0 };
}

export function parseExpression(stream: TokenStream): Expression {
  return nested(stream, () => parseIf(stream));
}

function parseIf(stream: TokenStream): Expression {
  const { length } = stream.unknown;
  let value = parseOr(stream);
  if (!isAtName(stream, 'if')) return value;
  for (let links = 0; skip(stream, 'name', 'if'); links++) {
    if (links > maxChain) failDeep(stream);
    const test = parseOr(stream);
    const otherwise = skip(stream, 'name', 'else') ? nested(stream, () => parseIf(stream)) : undefined;
    value = { kind: 'if', test, value, otherwise };
  }
  // Parts of it may never run, so that an unknown filter is an error only where one does.
  stream.unknown.length = length;
  return value;
}

function failDeep(stream: TokenStream): never {
  fail(stream, `it is nested more than ${maxChain} deep`);
}

export function parseOr(stream: TokenStream): Expression {
  let left = parseAnd(stream);
  for (let links = 0; skip(stream, 'name', 'or'); links++) {
    if (links > maxChain) failDeep(stream);
    left = { kind: 'or', left, right: parseAnd(stream) };
  }
  return left;
}

function parseAnd(stream: TokenStream): Expression {
  let left = parseNot(stream);
  for (let links = 0; skip(stream, 'name', 'and'); links++) {
    if (links > maxChain) failDeep(stream);
    left = { kind: 'and', left, right: parseNot(stream) };
  }
  return left;
}

function parseNot(stream: TokenStream): Expression {
  if (!skip(stream, 'name', 'not')) return parseCompare(stream);
  return { kind: 'not', operand: nested(stream, () => parseNot(stream)) };
}

const comparisons: readonly string[] = ['==', '!=', '<', '<=', '>', '>='];

function parseCompare(stream: TokenStream): Expression {
  const first = parseSum(stream);
  const rest: [Comparison, Expression][] = [];
  for (;;) {
    if (isAtOperator(stream, ...comparisons)) rest.push([next(stream).value as Comparison, parseSum(stream)]);
    else if (skip(stream, 'name', 'in')) rest.push(['in', parseSum(stream)]);
    else if (isAtName(stream, 'not') && isToken(following(stream), 'name', 'in')) {
      stream.at += 2;
      rest.push(['not in', parseSum(stream)]);
    } else return rest.length === 0 ? first : { kind: 'compare', first, rest };
  }
}

function parseArithmetic(
  stream: TokenStream,
  operators: readonly string[],
  parseOperand: (stream: TokenStream) => Expression,
): Expression {
  let left = parseOperand(stream);
  for (let links = 0; isAtOperator(stream, ...operators); links++) {
    if (links > maxChain) failDeep(stream);
    const operator = next(stream).value as Arithmetic;
    left = { kind: 'arithmetic', operator, left, right: parseOperand(stream) };
  }
  return left;
}

const parseSum = (stream: TokenStream): Expression => parseArithmetic(stream, ['+', '-'], parseConcat);
const parseProduct = (stream: TokenStream): Expression => parseArithmetic(stream, ['*', '/', '//', '%'], parsePower);
/** Unlike Python's, jinja2's `**` goes from left to right and binds less than a sign. */
const parsePower = (stream: TokenStream): Expression => parseArithmetic(stream, ['**'], parseUnary);

function parseConcat(stream: TokenStream): Expression {
  const parts = [parseProduct(stream)];
  while (skip(stream, 'operator', '~')) parts.push(parseProduct(stream));
  return parts.length === 1 ? parts[0]! : { kind: 'concat', parts };
}

function parseUnary(stream: TokenStream): Expression {
  return parseFilters(stream, parseSigned(stream));
}

function parseSigned(stream: TokenStream): Expression {
  if (!isAtOperator(stream, '-', '+')) return parsePostfix(stream, parsePrimary(stream));
  const kind = next(stream).value === '-' ? 'negative' : 'positive';
  return parsePostfix(stream, { kind, operand: nested(stream, () => parseSigned(stream)) });
}

const constants: Readonly<Record<string, boolean | null>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};

export const isConstantName = (name: string): boolean => Object.hasOwn(constants, name);

function parsePrimary(stream: TokenStream): Expression {
  const token = next(stream);
  switch (token.type) {
    case 'name':
      return isConstantName(token.value) ? { kind: 'literal', value: constants[token.value]! } : { kind: 'name', name: token.value };
    case 'string': {
      const texts = [token.value];
      while (isAt(stream, 'string')) texts.push(next(stream).value);
      return { kind: 'literal', value: texts.join('') };
    }
    case 'integer':
      return { kind: 'literal', value: token.number! };
    case 'float':
      return { kind: 'literal', value: { float: Number(token.number) } };
    default:
      return parseBracketed(stream, token.type === 'operator' ? token.value : '');
  }
}

function parseBracketed(stream: TokenStream, open: string): Expression {
  if (open === '(') {
    const tuple = parseTuple(stream, { parenthesized: true });
    expect(stream, 'operator', ')');
    return tuple;
  }
  if (open === '[') return { kind: 'list', items: parseItems(stream, ']', parseExpression) };
  if (open === '{') {
    const pairs = parseItems(stream, '}', () => {
      const key = parseExpression(stream);
      expect(stream, 'operator', ':');
      return [key, parseExpression(stream)] as const;
    });
    return { kind: 'dict', pairs };
  }
  stream.at--;
  fail(stream, `expected an expression, found ${describe(current(stream))}`);
}

/** Items up to a bracket; a comma may stand after the last. */
function parseItems<T>(stream: TokenStream, close: string, parse: (stream: TokenStream) => T): T[] {
  const items: T[] = [];
  while (!isAtOperator(stream, close)) {
    if (items.length > 0) expect(stream, 'operator', ',');
    if (isAtOperator(stream, close)) break;
    items.push(parse(stream));
  }
  expect(stream, 'operator', close);
  return items;
}

function parsePostfix(stream: TokenStream, start: Expression): Expression {
  let node = start;
  for (let links = 0; isAtOperator(stream, '.', '[', '('); links++) {
    if (links > maxChain) failDeep(stream);
    node = isAtOperator(stream, '(') ? parseCall(stream, node) : parseSubscript(stream, node);
  }
  return node;
}

function parseFilters(stream: TokenStream, start: Expression): Expression {
  let node = start;
  for (let links = 0; ; links++) {
    if (links > maxChain) failDeep(stream);
    if (isAtOperator(stream, '|')) {
      next(stream);
      node = parseFilter(stream, node);
    } else if (isAtName(stream, 'is')) node = parseTest(stream, node);
    else if (isAtOperator(stream, '(')) node = parseCall(stream, node);
    else return node;
  }
}

function parseCall(stream: TokenStream, callee: Expression): Call {
  return { kind: 'call', callee, args: parseArguments(stream) };
}

function parseSubscript(stream: TokenStream, object: Expression): Expression {
  if (next(stream).value === '.') {
    const token = next(stream);
    if (token.type === 'name') return { kind: 'attribute', object, name: token.value };
    if (token.type === 'integer') return { kind: 'item', object, index: { kind: 'literal', value: token.number! } };
    stream.at--;
    fail(stream, `expected a name or a number, found ${describe(current(stream))}`);
  }
  const indices: Expression[] = [];
  while (!isAtOperator(stream, ']')) {
    if (indices.length > 0) expect(stream, 'operator', ',');
    indices.push(parseIndex(stream));
  }
  expect(stream, 'operator', ']');
  if (indices.length > 1 && indices.some((index) => index.kind === 'slice')) fail(stream, 'a slice stands beside another index');
  return { kind: 'item', object, index: indices.length === 1 ? indices[0]! : { kind: 'tuple', items: indices } };
}

/** An index or a slice `start:stop:step`. */
function parseIndex(stream: TokenStream): Expression {
  const start = isAtOperator(stream, ':') ? undefined : parseExpression(stream);
  if (!skip(stream, 'operator', ':')) return start!;
  const bound = (): Expression | undefined => (isAtOperator(stream, ':', ']', ',') ? undefined : parseExpression(stream));
  const stop = bound();
  const step = skip(stream, 'operator', ':') ? bound() : undefined;
  return { kind: 'slice', bounds: [start, stop, step] };
}

const noArguments: Arguments = { positional: [], named: [], list: undefined, dict: undefined };

function parseArguments(stream: TokenStream): Arguments {
  const positional: Expression[] = [];
  const named: [string, Expression][] = [];
  let list: Expression | undefined;
  let dict: Expression | undefined;
  const { line } = expect(stream, 'operator', '(');
  const check = (isRight: boolean): void => {
    if (!isRight) fail(stream, 'the arguments of a call are in a wrong order', line);
  };
  for (let count = 0; !isAtOperator(stream, ')'); count++) {
    if (count > 0) {
      expect(stream, 'operator', ',');
      if (isAtOperator(stream, ')')) break;
    }
    if (skip(stream, 'operator', '*')) {
      check(list === undefined && dict === undefined);
      list = parseExpression(stream);
    } else if (skip(stream, 'operator', '**')) {
      check(dict === undefined);
      dict = parseExpression(stream);
    } else if (isAt(stream, 'name') && isToken(following(stream), 'operator', '=')) {
      check(dict === undefined);
      const name = next(stream).value;
      next(stream);
      if (named.some(([other]) => other === name)) fail(stream, `the argument "${name}" is given twice`);
      named.push([name, parseExpression(stream)]);
    } else {
      check(list === undefined && dict === undefined && named.length === 0);
      positional.push(parseExpression(stream));
    }
  }
  expect(stream, 'operator', ')');
  return { positional, named, list, dict };
}

function parseDottedName(stream: TokenStream): string {
  let name = expect(stream, 'name').value;
  while (skip(stream, 'operator', '.')) name += `.${expect(stream, 'name').value}`;
  return name;
}

/** A filter behind its `|`. */
export function parseFilter<T extends Expression | undefined>(stream: TokenStream, operand: T): Filter {
  const { line } = current(stream);
  const name = parseDottedName(stream);
  if (!stream.known.filters.has(name)) stream.unknown.push({ message: `there is no filter "${name.slice(0, 60)}"`, line });
  return { kind: 'filter', operand, name, args: isAtOperator(stream, '(') ? parseArguments(stream) : noArguments };
}

function parseTest(stream: TokenStream, operand: Expression): Expression {
  const { line } = next(stream);
  const isNegated = skip(stream, 'name', 'not');
  const name = parseDottedName(stream);
  if (!stream.known.tests.has(name)) stream.unknown.push({ message: `there is no test "${name.slice(0, 60)}"`, line });
  const test: Expression = { kind: 'test', operand, name, args: parseTestArguments(stream) };
  return isNegated ? { kind: 'not', operand: test } : test;
}

function parseTestArguments(stream: TokenStream): Arguments {
  if (isAtOperator(stream, '(')) return parseArguments(stream);
  const { type } = current(stream);
  const isValue = type === 'name' || type === 'string' || type === 'integer' || type === 'float' || isAtOperator(stream, '[', '{');
  if (!isValue || isAtName(stream, 'else', 'or', 'and')) return noArguments;
  if (isAtName(stream, 'is')) fail(stream, 'tests with "is" cannot follow each other');
  return { ...noArguments, positional: [parsePostfix(stream, parsePrimary(stream))] };
}
