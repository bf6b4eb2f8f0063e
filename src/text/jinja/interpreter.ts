/**
 * Runs a template with Jinja's meaning. A template is a program from a file: it must stop, must not use up memory, and
 * must show which of its output is its own text.
 */
import type { Budget } from './budget.ts';
import { evaluate, evaluateCall, filterChain } from './evaluate.ts';
import { escapeText } from './html.ts';
import { iteratorOf, itemsOf } from './iterate.ts';
import { createLoop } from './loop.ts';
import { macroValue } from './macro.ts';
import type { Block, ForLoop, Macro, Statement, Target, Template } from './nodes.ts';
import { textOf } from './printing.ts';
import { bodyScope, childScope, escapesOutput, flattenScope, lookup } from './scope.ts';
import type { Run, Scope } from './scope.ts';
import { TemplateError } from './template-errors.ts';
import { asMarkup, concatWithin, ownText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { isNamespace, isText, isTruthy, typeName } from './values.ts';
import type { Callable, Opaque, Value } from './values.ts';

/** How a statement ended, where not as it should go on. */
type Signal = 'break' | 'continue' | undefined;

interface Output {
  readonly parts: TemplateText[];
  readonly run: Run;
}

/** Renders a template. @throws TemplateError, TemplateRefusal */
export function runTemplate(template: Template, globals: ReadonlyMap<string, Value>, budget: Budget): TemplateText {
  const top = childScope(childScope(undefined, new Map(globals)));
  const run: Run = { budget, known: template.known, autoescape: false, escaping: 'never', template, top };
  top.parent!.variables.set('self', templateReference(run));
  const output: Output = { parts: [], run };
  runStatements(template.body, { ...top, hidden: template.hidden.get(template.body) }, output);
  return concatWithin(output.parts, budget);
}

function runStatements(body: readonly Statement[], scope: Scope, output: Output): Signal {
  for (const statement of body) {
    const signal = runStatement(statement, scope, output);
    if (signal !== undefined) return signal;
  }
  return undefined;
}

/** The text of what `write` puts out, safe where escaping is on. */
function rendered(run: Run, write: (output: Output) => void): TemplateText {
  const output: Output = { parts: [], run };
  write(output);
  const text = concatWithin(output.parts, run.budget);
  return escapesOutput(run) ? asMarkup(text) : text;
}

function renderBody(body: readonly Statement[], scope: Scope, run: Run): TemplateText {
  return rendered(run, (output) => void runStatements(body, scope, output));
}

/**
 * The text of a statement's body in a scope of its own, after the statement's filters, which see that scope; undefined where
 * it leaves the loop around it, and its text with it.
 */
function filteredBody(
  { body, filter }: Pick<StatementOf<'set block'>, 'body' | 'filter'>,
  scope: Scope,
  run: Run,
): { readonly value: Value; readonly signal: Signal } {
  const inner = bodyScope(scope, body, run);
  let signal: Signal;
  const text = rendered(run, (output) => {
    signal = runStatements(body, inner, output);
  });
  if (signal !== undefined || filter === undefined) return { value: text, signal };
  return { value: filterChain(filter, text, { scope: inner, run }), signal };
}

function runStatement(statement: Statement, scope: Scope, output: Output): Signal {
  const { budget } = output.run;
  budget.spend(1);
  budget.enter();
  try {
    return runKind(statement, scope, output);
  } catch (error) {
    if (error instanceof TemplateError) error.line ??= statement.line;
    throw error;
  } finally {
    budget.leave();
  }
}

function runKind(statement: Statement, scope: Scope, output: Output): Signal {
  const { run } = output;
  switch (statement.kind) {
    case 'text':
      output.parts.push(ownText(statement.text));
      return undefined;
    case 'output': {
      const value = evaluate(statement.value, scope, run);
      output.parts.push(escapesOutput(run) ? escapeText(value, run.budget) : textOf(value, run.budget));
      return undefined;
    }
    case 'if': {
      const branch = statement.branches.find(([test]) => isTruthy(evaluate(test, scope, run)));
      return runStatements(branch === undefined ? statement.otherwise : branch[1], scope, output);
    }
    case 'for':
      return runLoop(statement, { items: evaluate(statement.items, scope, run), depth: 0 }, scope, output);
    case 'break':
    case 'continue':
      return statement.kind;
    case 'with':
      return runWith(statement, scope, output);
    case 'autoescape':
      return runAutoescape(statement, scope, output);
    case 'set block':
    case 'filter': {
      const { value, signal } = filteredBody(statement, scope, run);
      if (signal !== undefined) return signal;
      if (statement.kind === 'filter') pushText('a filter block', value, output);
      else assign(statement.target, value, scope, run);
      return undefined;
    }
    default:
      runRest(statement, scope, output);
      return undefined;
  }
}

type StatementOf<Kind extends Statement['kind']> = Extract<Statement, { kind: Kind }>;

function runRest(
  statement: StatementOf<'set' | 'macro' | 'call' | 'generation' | 'block' | 'load'>,
  scope: Scope,
  output: Output,
): void {
  const { run } = output;
  switch (statement.kind) {
    case 'set':
      assign(statement.target, evaluate(statement.value, scope, run), scope, run);
      return;
    case 'macro':
      scope.variables.set(statement.name, macroOf(statement.macro, scope, run));
      return;
    case 'call':
      pushText('a call block', evaluateCall(statement.call, { scope, run, caller: macroOf(statement.caller, scope, run) }), output);
      return;
    case 'generation':
      pushText('generation', macroOf(statement.caller, scope, run).call([], new Map()), output);
      return;
    case 'block':
      output.parts.push(renderBlock(statement, scope, run));
      return;
    case 'load':
      throw new TemplateError(`{% ${statement.statement} %} reads another template, but a chat template stands alone`);
    default:
      return statement satisfies never;
  }
}

function pushText(where: string, value: Value, { parts }: Output): void {
  if (!isText(value)) throw new TemplateError(`${where} makes a value of type ${typeName(value)}, not a text`);
  parts.push(value);
}

function macroOf(macro: Macro, scope: Scope, run: Run): Callable {
  return macroValue(macro, scope, run, (body, local) => renderBody(body, local, run));
}

function runAutoescape({ value, body }: StatementOf<'autoescape'>, scope: Scope, output: Output): Signal {
  const { run } = output;
  const { autoescape, escaping } = run;
  const inner = bodyScope(scope, body, run);
  run.autoescape = isTruthy(evaluate(value, inner, run));
  run.escaping = value.kind !== 'literal' ? 'asked' : run.autoescape ? 'always' : 'never';
  const signal = runStatements(body, inner, output);
  run.escaping = escaping;
  // As in jinja2, a body that leaves the loop around it does not set back what filters go by.
  if (signal === undefined) run.autoescape = autoescape;
  return signal;
}

function runWith({ values, body }: StatementOf<'with'>, scope: Scope, output: Output): Signal {
  const inner = bodyScope(scope, body, output.run);
  // All values are of the scope around it.
  const found = values.map(([, value]) => evaluate(value, scope, output.run));
  values.forEach(([target], index) => assign(target, found[index], inner, output.run));
  return runStatements(body, inner, output);
}

/** Blocks see the template's own variables; those around it only where it is "scoped". */
function renderBlock(block: Block, scope: Scope, run: Run): TemplateText {
  if (block.required) throw new TemplateError(`the block "${block.name}" is required, but a chat template stands alone`);
  const { escaping } = run;
  run.escaping = 'never';
  const text = renderBody(block.body, bodyScope(block.scoped ? flattenScope(scope, run.top) : run.top, block.body, run), run);
  run.escaping = escaping;
  return text;
}

/** The variable `self`, whose attributes are the blocks. */
function templateReference(run: Run): Opaque {
  const blockText = (block: Block): TemplateText => {
    const text = renderBlock(block, run.top, run);
    return run.autoescape ? asMarkup(text) : text;
  };
  return {
    typeName: 'TemplateReference',
    shown: '<TemplateReference None>',
    attribute(name) {
      const block = run.template.blocks.get(name);
      return block && { name, shown: '<BlockReference>', call: () => blockText(block) };
    },
  };
}

interface LoopItems {
  readonly items: Value;
  readonly depth: number;
}

function runLoop(node: ForLoop, { items, depth }: LoopItems, scope: Scope, output: Output): Signal {
  const { run } = output;
  const { budget } = run;
  const all = iteratorOf(items, budget);
  const again = (inner: Value, own: Output): Signal => runLoop(node, { items: inner, depth: depth + 1 }, scope, own);
  const loop = createLoop({
    items: node.test === undefined ? all : selectItems(node, all, scope, run),
    depth,
    budget,
    recurse: node.recursive ? (inner) => rendered(run, (own) => void again(inner, own)) : undefined,
  });
  let isComplete = false;
  while (loop.advance()) {
    const inner = bodyScope(scope, node.body, run);
    inner.variables.set('loop', loop.variable);
    assign(node.target, loop.item(), inner, run);
    const signal = runStatements(node.body, inner, output);
    if (signal === 'break') break;
    // As in jinja2, what else there is to do is done where no body ran to its end.
    isComplete ||= signal === undefined;
  }
  return isComplete ? undefined : runStatements(node.otherwise, bodyScope(scope, node.otherwise, run), output);
}

function* selectItems(node: ForLoop, items: Iterator<Value>, scope: Scope, run: Run): Generator<Value> {
  for (let step = items.next(); !step.done; step = items.next()) {
    const inner = childScope(scope);
    assign(node.target, step.value, inner, run);
    if (isTruthy(evaluate(node.test!, inner, run))) yield step.value;
  }
}

function assign(target: Target, value: Value, scope: Scope, run: Run): void {
  if (target.kind === 'name') {
    scope.variables.set(target.name, value);
  } else if (target.kind === 'tuple') {
    const items = itemsOf(value, run.budget);
    if (items.length !== target.items.length)
      throw new TemplateError(`expected ${target.items.length} values to unpack, found ${items.length}`);
    target.items.forEach((part, index) => assign(part, items[index], scope, run));
  } else {
    const namespace = lookup(scope, target.namespace);
    if (!isNamespace(namespace)) throw new TemplateError(`set: expected a namespace, found ${typeName(namespace)}`);
    namespace.fields.set(target.name, value);
  }
}
