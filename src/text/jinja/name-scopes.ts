/**
 * What jinja2's compiler finds out about names before a template runs. A scope that sets a name before it reads it, where
 * no scope around it knows the name, has it undefined until then, even where the caller passed a variable so called.
 */
import { partsOf } from './expression-parts.ts';
import type { Block, Expression, ForLoop, Macro, Statement, Target } from './nodes.ts';

type Body = readonly Statement[];

/** By a body that is a scope: the names that are undefined until it sets them. */
export type HiddenNames = ReadonlyMap<Body, ReadonlySet<string>>;

type Found = Map<Body, ReadonlySet<string>>;

interface Names {
  /** Names met so far, and whether they may have a value from outside. */
  readonly met: Map<string, 'visible' | 'hidden'>;
  readonly stored: Set<string>;
  readonly parent: Names | undefined;
}

export function hiddenNames(body: Body): HiddenNames {
  const found = new Map<Body, ReadonlySet<string>>();
  enterBody(body, inside(undefined), found);
  return found;
}

const inside = (parent: Names | undefined): Names => ({ met: new Map(), stored: new Set(), parent });

function isKnown(names: Names | undefined, name: string): boolean {
  for (let at = names; at !== undefined; at = at.parent) if (at.met.has(name)) return true;
  return false;
}

function load(names: Names, expression: Expression | undefined): void {
  for (const name of namesIn(expression)) loadName(names, name);
}

function loadName(names: Names, name: string): void {
  if (!isKnown(names, name)) names.met.set(name, 'visible');
}

function store(names: Names, name: string): void {
  names.stored.add(name);
  if (!names.met.has(name)) names.met.set(name, isKnown(names.parent, name) ? 'visible' : 'hidden');
}

function storeTarget(names: Names, target: Target): void {
  if (target.kind === 'field') loadName(names, target.namespace);
  else for (const name of targetNames(target)) store(names, name);
}

/** Names that have a value as the scope is entered: parameters, the variables of a loop. */
function declare(names: Names, declared: readonly string[]): void {
  for (const name of declared) {
    names.stored.add(name);
    names.met.set(name, 'visible');
  }
}

export function targetNames(target: Target): string[] {
  if (target.kind === 'tuple') return target.items.flatMap(targetNames);
  return target.kind === 'name' ? [target.name] : [];
}

/** Reads the statements of a scope, and then the scopes in it, which see all of its names. */
function enterBody(body: Body, names: Names, found: Found): void {
  readBody(body, names);
  const hidden = [...names.met].filter(([, state]) => state === 'hidden').map(([name]) => name);
  if (hidden.length > 0) found.set(body, new Set(hidden));
  for (const statement of body) enterInner(statement, names, found);
}

function readBody(body: Body, names: Names): void {
  for (const statement of body) readStatement(statement, names);
}

function readStatement(statement: Statement, names: Names): void {
  switch (statement.kind) {
    case 'output':
      return load(names, statement.value);
    case 'set':
      load(names, statement.value);
      return storeTarget(names, statement.target);
    case 'set block':
      return storeTarget(names, statement.target);
    case 'macro':
      return store(names, statement.name);
    case 'if':
      return readIf(statement.branches, statement.otherwise, names);
    case 'for':
      return load(names, statement.items);
    case 'call':
      return load(names, statement.call);
    case 'filter':
      return load(names, statement.filter);
    case 'with':
      for (const [, value] of statement.values) load(names, value);
      return undefined;
    case 'load':
      load(names, statement.template);
      for (const name of statement.targets) store(names, name);
      return undefined;
    default:
      return undefined;
  }
}

type Branches = readonly (readonly [test: Expression, body: Body])[];

/** A name that only a branch sets keeps its value from outside where the branch is not taken. */
function readIf([first, ...others]: Branches, otherwise: Body, names: Names): void {
  const [test, body] = first!;
  load(names, test);
  const branch = (read: (copy: Names) => void): Names => {
    const copy: Names = { met: new Map(names.met), stored: new Set(names.stored), parent: names.parent };
    read(copy);
    return copy;
  };
  const copies = [
    branch((copy) => readBody(body, copy)),
    branch((copy) => others.forEach((other) => readIf([other], [], copy))),
    branch((copy) => readBody(otherwise, copy)),
  ];
  const stored = copies.flatMap((copy) => [...copy.stored]).filter((name) => !names.stored.has(name));
  for (const copy of copies) {
    for (const [name, state] of copy.met) names.met.set(name, state);
    for (const name of copy.stored) names.stored.add(name);
  }
  for (const name of stored) names.met.set(name, 'visible');
}

function enterInner(statement: Statement, names: Names, found: Found): void {
  switch (statement.kind) {
    case 'if':
      for (const [, body] of statement.branches) for (const each of body) enterInner(each, names, found);
      for (const each of statement.otherwise) enterInner(each, names, found);
      return;
    case 'for':
      return enterLoop(statement, names, found);
    case 'macro':
      return enterMacro(statement.macro, names, found);
    case 'call':
    case 'generation':
      return enterMacro(statement.caller, names, found);
    case 'with': {
      const inner = inside(names);
      for (const [target] of statement.values) declare(inner, targetNames(target));
      return enterBody(statement.body, inner, found);
    }
    case 'block':
      return enterBody(statement.body, inside(undefined), found);
    case 'autoescape': {
      const inner = inside(names);
      load(inner, statement.value);
      return enterBody(statement.body, inner, found);
    }
    case 'set block':
    case 'filter':
      return enterBody(statement.body, inside(names), found);
    default:
  }
}

function enterLoop({ target, body, otherwise }: ForLoop, names: Names, found: Found): void {
  const inner = inside(names);
  declare(inner, ['loop', ...targetNames(target)]);
  enterBody(body, inner, found);
  enterBody(otherwise, inside(names), found);
}

function enterMacro({ parameters, takes, body }: Macro, names: Names, found: Found): void {
  const inner = inside(names);
  const taken = macroSpecials.filter((name) => takes[name]);
  declare(inner, [...parameters.map(({ name }) => name), ...taken]);
  for (const { fallback } of parameters) load(inner, fallback);
  enterBody(body, inner, found);
}

/** Variables that the body of a macro has where it reads them. */
export const macroSpecials = ['caller', 'kwargs', 'varargs'] as const;

/** Which of those a body reads before it gives the name another meaning, in the order of jinja2's tree. */
export function readSpecials(body: Body): Macro['takes'] {
  const wanted = new Set<string>(macroSpecials);
  const read = new Set<string>();
  const readNames = (expression: Expression | undefined): void => {
    for (const name of namesIn(expression)) if (wanted.has(name)) read.add(name);
  };
  const drop = (names: readonly string[]): void => names.forEach((name) => wanted.delete(name));
  const readMacro = ({ parameters, body: inner }: Pick<Macro, 'parameters' | 'body'>): void => {
    drop(parameters.map(({ name }) => name));
    for (const { fallback } of parameters) readNames(fallback);
    inner.forEach(readOne);
  };
  const readOne = (statement: Statement): void => {
    if (statement.kind === 'macro') return readMacro(statement.macro);
    if (statement.kind === 'block') return undefined;
    if (statement.kind === 'if') {
      for (const [test, inner] of statement.branches) {
        readNames(test);
        inner.forEach(readOne);
      }
      return statement.otherwise.forEach(readOne);
    }
    if (statement.kind === 'filter') statement.body.forEach(readOne);
    for (const target of targetsOf(statement)) drop(targetNames(target));
    for (const expression of expressionsOf(statement)) readNames(expression);
    if (statement.kind === 'call' || statement.kind === 'generation') return readMacro(statement.caller);
    if ('body' in statement && statement.kind !== 'filter') statement.body.forEach(readOne);
    if (statement.kind !== 'for') return undefined;
    statement.otherwise.forEach(readOne);
    return readNames(statement.test);
  };
  body.forEach(readOne);
  return { caller: read.has('caller'), kwargs: read.has('kwargs'), varargs: read.has('varargs') };
}

type Plain = Exclude<Statement, Block | { readonly kind: 'macro' | 'if' }>;

function targetsOf(statement: Plain): readonly Target[] {
  if (statement.kind === 'with') return statement.values.map(([target]) => target);
  return statement.kind === 'set' || statement.kind === 'set block' || statement.kind === 'for' ? [statement.target] : [];
}

function expressionsOf(statement: Plain): readonly (Expression | undefined)[] {
  switch (statement.kind) {
    case 'output':
    case 'set':
    case 'autoescape':
      return [statement.value];
    case 'for':
      return [statement.items];
    case 'with':
      return statement.values.map(([, value]) => value);
    case 'call':
      return [statement.call];
    case 'filter':
    case 'set block':
      return [statement.filter];
    case 'load':
      return [statement.template];
    default:
      return [];
  }
}

/** Names that an expression reads. */
function* namesIn(expression: Expression | undefined): Generator<string> {
  for (const node of partsOf(expression)) if (node.kind === 'name') yield node.name;
}
