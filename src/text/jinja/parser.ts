/** Statements of a template. A parser of our own: docs/decisions.md says why. */
import { isConstantName, parseExpression, parseFilter, parseTuple, parseTupleItems } from './expression-parser.ts';
import { tokenizeTemplate } from './lexer.ts';
import type { Block, Expression, ForLoop, KnownNames, Macro, Parameter, Statement, Target, Template } from './nodes.ts';
import { parseLoad } from './load-parser.ts';
import { hiddenNames, readSpecials, targetNames } from './name-scopes.ts';
import { current, describe, expect, fail, isAt, isAtName, isAtOperator, nested, next, skip } from './token-stream.ts';
import type { TokenStream } from './token-stream.ts';
import { TemplateSyntaxError } from './template-errors.ts';

interface Parsing {
  readonly stream: TokenStream;
  readonly blocks: Map<string, Block>;
  /** Loops around the statement, within its macro or block. */
  loops: number;
  /** Loops around it, those of other macros and blocks among them. */
  allLoops: number;
  /** Statements around it, but for `if` and blocks. */
  inner: number;
}

/** @throws TemplateSyntaxError */
export function parseTemplate(source: string, known: KnownNames): Template {
  const stream: TokenStream = { tokens: tokenizeTemplate(source), known, at: 0, depth: 0, unknown: [] };
  const parsing: Parsing = { stream, blocks: new Map(), loops: 0, allLoops: 0, inner: 0 };
  const body = parseBody(parsing, []);
  const [unknown] = stream.unknown;
  if (unknown !== undefined) throw new TemplateSyntaxError(unknown.message, unknown.line);
  return { body, blocks: parsing.blocks, hidden: hiddenNames(body), known };
}

/** Statements up to one of the tags `ends`, whose name is the current token then; without any, up to the end of the template. */
function parseBody(parsing: Parsing, ends: readonly string[]): Statement[] {
  const { stream } = parsing;
  const body: Statement[] = [];
  for (;;) {
    const { type, value, line } = next(stream);
    if (type === 'data') body.push({ kind: 'text', line, text: value });
    else if (type === 'variable_begin') {
      body.push({ kind: 'output', line, value: parseTuple(stream) });
      expect(stream, 'variable_end');
    } else if (type === 'block_begin') {
      if (ends.length > 0 && isAtName(stream, ...ends)) return body;
      body.push(...nested(stream, () => parseStatement(parsing)));
      expect(stream, 'block_end');
    } else if (ends.length === 0) return body;
    else fail(stream, `the template ends where ${ends.map((end) => `{% ${end} %}`).join(' or ')} is expected`, line);
  }
}

/** The body of a statement after its tag. */
function parseBlockBody(parsing: Parsing, ...ends: readonly string[]): Statement[] {
  skip(parsing.stream, 'operator', ':');
  expect(parsing.stream, 'block_end');
  return parseBody(parsing, ends);
}

/** The body of the only tag that ends it. */
function parseWhole(parsing: Parsing, end: string): Statement[] {
  const body = parseBlockBody(parsing, end);
  next(parsing.stream);
  return body;
}

type StatementParser = (parsing: Parsing, line: number) => Statement | readonly Statement[];

const jump =
  (kind: 'break' | 'continue'): StatementParser =>
  ({ stream, loops }, line) => {
    if (loops === 0) fail(stream, `"${kind}" stands outside of a loop`, line);
    return { kind, line };
  };

const statements: Readonly<Record<string, StatementParser>> = {
  for: parseFor,
  if: parseIf,
  set: parseSet,
  with: parseWith,
  macro: parseMacro,
  call: parseCallBlock,
  filter: (parsing, line) => {
    const filter = parseFilterChain(parsing.stream);
    return { kind: 'filter', line, filter, body: parseWhole(parsing, 'endfilter') };
  },
  autoescape: (parsing, line) => ({
    kind: 'autoescape',
    line,
    value: parseExpression(parsing.stream),
    body: parseWhole(parsing, 'endautoescape'),
  }),
  generation: (parsing, line) => ({
    kind: 'generation',
    line,
    caller: parseMacroBody(parsing, { parameters: [], end: 'endgeneration' }),
  }),
  block: parseBlock,
  print: parsePrint,
  break: jump('break'),
  continue: jump('continue'),
  include: ({ stream }, line) => parseLoad(stream, 'include', line),
  import: ({ stream }, line) => parseLoad(stream, 'import', line),
  from: ({ stream }, line) => parseLoad(stream, 'from', line),
  extends: ({ stream }, line) => parseLoad(stream, 'extends', line),
};

function parseStatement(parsing: Parsing): readonly Statement[] {
  const { stream } = parsing;
  const { value, line, type } = next(stream);
  if (type !== 'name' || !Object.hasOwn(statements, value)) {
    stream.at--;
    fail(stream, `there is no statement ${describe(current(stream))} here`, line);
  }
  const { inner } = parsing;
  if (value === 'extends' && inner > 0) fail(stream, '{% extends %} stands inside of another statement', line);
  if (value === 'block') parsing.inner = 0;
  else if (value !== 'if') parsing.inner++;
  const parsed = statements[value]!(parsing, line);
  parsing.inner = inner;
  return 'kind' in parsed ? [parsed] : parsed;
}

/** Runs a part of the parser inside a macro or block: loops around that are not its own. */
function withoutLoops<T>(parsing: Parsing, parse: () => T): T {
  const { loops } = parsing;
  parsing.loops = 0;
  const parsed = parse();
  parsing.loops = loops;
  return parsed;
}

function parseFor(parsing: Parsing, line: number): ForLoop {
  const { stream } = parsing;
  parsing.allLoops++;
  const target = parseTarget(stream, {});
  checkLoopVariable(parsing, target, line);
  expect(stream, 'name', 'in');
  const items = parseTuple(stream, { withoutIf: true });
  const test = skip(stream, 'name', 'if') ? parseExpression(stream) : undefined;
  const recursive = skip(stream, 'name', 'recursive');
  parsing.loops++;
  const body = parseBlockBody(parsing, 'endfor', 'else');
  parsing.loops--;
  const otherwise = next(stream).value === 'else' ? parseWhole(parsing, 'endfor') : [];
  parsing.allLoops--;
  return { kind: 'for', line, target, items, test, recursive, body, otherwise };
}

function parseIf(parsing: Parsing, line: number): Statement {
  const { stream } = parsing;
  const branches: [Expression, Statement[]][] = [];
  const { length } = stream.unknown;
  const branch = (): string => {
    const test = parseTuple(stream, { withoutIf: true });
    branches.push([test, parseBlockBody(parsing, 'elif', 'else', 'endif')]);
    return next(stream).value;
  };
  let end = branch();
  while (end === 'elif') end = branch();
  const otherwise = end === 'else' ? parseWhole(parsing, 'endif') : [];
  stream.unknown.length = length;
  return { kind: 'if', line, branches, otherwise };
}

function parseSet(parsing: Parsing, line: number): Statement {
  const { stream } = parsing;
  const target = parseTarget(stream, { withFields: true });
  checkLoopVariable(parsing, target, line);
  if (skip(stream, 'operator', '=')) return { kind: 'set', line, target, value: parseTuple(stream) };
  const filter = skip(stream, 'operator', '|') ? parseFilterChain(stream) : undefined;
  return { kind: 'set block', line, target, filter, body: parseWhole(parsing, 'endset') };
}

/** Filters of a block, the first without its `|`. */
function parseFilterChain(stream: TokenStream): ReturnType<typeof parseFilter> {
  let filter = parseFilter(stream, undefined);
  while (skip(stream, 'operator', '|')) filter = parseFilter(stream, filter);
  return filter;
}

function parseWith(parsing: Parsing, line: number): Statement {
  const { stream } = parsing;
  const values: [Target, Expression][] = [];
  while (!isAt(stream, 'block_end')) {
    if (values.length > 0) expect(stream, 'operator', ',');
    const target = parseTarget(stream, {});
    expect(stream, 'operator', '=');
    values.push([target, parseExpression(stream)]);
  }
  return { kind: 'with', line, values, body: parseWhole(parsing, 'endwith') };
}

function parseMacro(parsing: Parsing, line: number): Statement {
  const { stream } = parsing;
  const name = parseName(stream);
  const parameters = parseParameters(stream);
  return { kind: 'macro', line, name, macro: parseMacroBody(parsing, { name, parameters, end: 'endmacro' }) };
}

function parseMacroBody(
  parsing: Parsing,
  { name, parameters, end }: { name?: string; parameters: readonly Parameter[]; end: string },
): Macro {
  const { stream } = parsing;
  const { line } = current(stream);
  const body = withoutLoops(parsing, () => parseWhole(parsing, end));
  const read = readSpecials(body);
  const own = (special: string): Parameter | undefined => parameters.find((each) => each.name === special);
  const caller = own('caller');
  if (read.caller && caller !== undefined && caller.fallback === undefined)
    fail(stream, 'the parameter "caller" of a macro needs a default', line);
  const takes = { caller: read.caller, kwargs: read.kwargs && !own('kwargs'), varargs: read.varargs && !own('varargs') };
  return { name, parameters, body, takes };
}

function parseParameters(stream: TokenStream): Parameter[] {
  const parameters: Parameter[] = [];
  expect(stream, 'operator', '(');
  while (!isAtOperator(stream, ')')) {
    if (parameters.length > 0) expect(stream, 'operator', ',');
    const name = parseName(stream);
    const fallback = skip(stream, 'operator', '=') ? parseExpression(stream) : undefined;
    if (fallback === undefined && parameters.at(-1)?.fallback !== undefined)
      fail(stream, `the parameter "${name}" has no default, but the one before it has`);
    if (parameters.some((other) => other.name === name)) fail(stream, `two parameters have the name "${name}"`);
    parameters.push({ name, fallback });
  }
  expect(stream, 'operator', ')');
  return parameters;
}

function parseCallBlock(parsing: Parsing, line: number): Statement {
  const { stream } = parsing;
  const parameters = isAtOperator(stream, '(') ? parseParameters(stream) : [];
  const call = parseExpression(stream);
  if (call.kind !== 'call') fail(stream, 'expected the call of a macro in {% call %}', line);
  return { kind: 'call', line, call, caller: parseMacroBody(parsing, { parameters, end: 'endcall' }) };
}

function parseBlock(parsing: Parsing, line: number): Block {
  const { stream } = parsing;
  const { value: name } = expect(stream, 'name');
  const scoped = skip(stream, 'name', 'scoped');
  const required = skip(stream, 'name', 'required');
  const body = withoutLoops(parsing, () => parseWhole(parsing, 'endblock'));
  const isBlank = (each: Statement): boolean => each.kind === 'text' && each.text.trim() === '';
  if (required && !body.every(isBlank)) fail(stream, `the block "${name}" is required, so that it may hold white space only`, line);
  skip(stream, 'name', name);
  if (parsing.blocks.has(name)) fail(stream, `two blocks have the name "${name}"`, line);
  const block: Block = { kind: 'block', line, name, scoped, required, body };
  parsing.blocks.set(name, block);
  return block;
}

function parsePrint({ stream }: Parsing, line: number): Statement[] {
  const printed: Statement[] = [];
  while (!isAt(stream, 'block_end')) {
    if (printed.length > 0) expect(stream, 'operator', ',');
    printed.push({ kind: 'output', line, value: parseExpression(stream) });
  }
  return printed;
}

function parseName(stream: TokenStream): string {
  const { value, line } = expect(stream, 'name');
  if (isConstantName(value)) fail(stream, `nothing can be assigned to "${value}"`, line);
  return value;
}

interface TargetRules {
  /** Fields of a namespace, too. */
  readonly withFields?: boolean;
}

/** Inside of a loop, `loop` is its own. */
function checkLoopVariable({ stream, allLoops }: Parsing, target: Target, line: number): void {
  if (allLoops > 0 && targetNames(target).includes('loop')) fail(stream, 'nothing can be assigned to "loop" inside of a loop', line);
}

/** What is assigned to: a name, a field of a namespace, or several with commas between them. */
function parseTarget(stream: TokenStream, rules: TargetRules): Target {
  const { items, isTuple } = parseTupleItems(stream, () => parseTargetItem(stream, rules));
  if (isTuple) return { kind: 'tuple', items };
  return items[0] ?? fail(stream, `expected a name, found ${describe(current(stream))}`);
}

function parseTargetItem(stream: TokenStream, rules: TargetRules): Target {
  if (skip(stream, 'operator', '(')) {
    const { items, isTuple } = nested(stream, () => parseTupleItems(stream, () => parseTargetItem(stream, {})));
    expect(stream, 'operator', ')');
    return isTuple || items.length === 0 ? { kind: 'tuple', items } : items[0]!;
  }
  const name = parseName(stream);
  if (!rules.withFields || !skip(stream, 'operator', '.')) return { kind: 'name', name };
  return { kind: 'field', namespace: name, name: expect(stream, 'name').value };
}
