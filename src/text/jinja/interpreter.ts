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
import { childScope, lookup } from './scope.ts';
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
  const run: Run = { budget, known: template.known, autoescape: false, joinsMarkup: false, template, top };
  top.parent!.variables.set('self', templateReference(run));
  const output: Output = { parts: [], run };
  runStatements(template.body, top, output);
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
  return run.autoescape ? asMarkup(text) : text;
}

function renderBody(body: readonly Statement[], scope: Scope, run: Run): TemplateText {
  return rendered(run, (output) => void runStatements(body, scope, output));
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
      output.parts.push(run.autoescape ? escapeText(value, run.budget) : textOf(value, run.budget));
      return undefined;
    }
    case 'if': {
      const branch = statement.branches.find(([test]) => isTruthy(evaluate(test, scope, run)));
      return runStatements(branch === undefined ? statement.otherwise : branch[1], scope, output);
    }
    case 'for':
      runLoop(statement, { items: evaluate(statement.items, scope, run), depth: 0 }, scope, output);
      return undefined;
    case 'break':
    case 'continue':
      return statement.kind;
    case 'with':
      return runWith(statement, scope, output);
    case 'autoescape': {
      const { autoescape, joinsMarkup } = run;
      run.autoescape = isTruthy(evaluate(statement.value, scope, run));
      run.joinsMarkup = run.autoescape && statement.value.kind === 'literal';
      const signal = runStatements(statement.body, childScope(scope), output);
      Object.assign(run, { autoescape, joinsMarkup });
      return signal;
    }
    default:
      runRest(statement, scope, output);
      return undefined;
  }
}

type StatementOf<Kind extends Statement['kind']> = Extract<Statement, { kind: Kind }>;

function runRest(
  statement: StatementOf<'set' | 'set block' | 'macro' | 'call' | 'filter' | 'generation' | 'block' | 'load'>,
  scope: Scope,
  output: Output,
): void {
  const { run } = output;
  switch (statement.kind) {
    case 'set':
      assign(statement.target, evaluate(statement.value, scope, run), scope, run);
      return;
    case 'set block': {
      const text = renderBody(statement.body, childScope(scope), run);
      const { filter } = statement;
      assign(statement.target, filter === undefined ? text : filterChain(filter, text, { scope, run }), scope, run);
      return;
    }
    case 'macro':
      scope.variables.set(statement.macro.name, macroOf(statement.macro, scope, run));
      return;
    case 'call':
      pushText('a call block', evaluateCall(statement.call, { scope, run, caller: macroOf(statement.caller, scope, run) }), output);
      return;
    case 'filter':
      pushText(
        'a filter block',
        filterChain(statement.filter, renderBody(statement.body, childScope(scope), run), { scope, run }),
        output,
      );
      return;
    case 'generation':
      output.parts.push(renderBody(statement.body, childScope(scope), run));
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

function runWith({ values, body }: StatementOf<'with'>, scope: Scope, output: Output): Signal {
  const inner = childScope(scope);
  // All values are of the scope around it.
  const found = values.map(([, value]) => evaluate(value, scope, output.run));
  values.forEach(([target], index) => assign(target, found[index], inner, output.run));
  return runStatements(body, inner, output);
}

/** Blocks see the template's own variables; those around it only where it is "scoped". */
function renderBlock(block: Block, scope: Scope, run: Run): TemplateText {
  if (block.required) throw new TemplateError(`the block "${block.name}" is required, but a chat template stands alone`);
  return renderBody(block.body, childScope(block.scoped ? scope : run.top), run);
}

/** The variable `self`, whose attributes are the blocks. */
function templateReference(run: Run): Opaque {
  return {
    typeName: 'TemplateReference',
    shown: '<TemplateReference None>',
    attribute(name) {
      const block = run.template.blocks.get(name);
      return block && { name, shown: '<BlockReference>', call: () => renderBlock(block, run.top, run) };
    },
  };
}

interface LoopItems {
  readonly items: Value;
  readonly depth: number;
}

function runLoop(node: ForLoop, { items, depth }: LoopItems, scope: Scope, output: Output): void {
  const { run } = output;
  const { budget } = run;
  const all = iteratorOf(items, budget);
  const loop = createLoop({
    items: node.test === undefined ? all : selectItems(node, all, scope, run),
    depth,
    budget,
    recurse: node.recursive ? (inner) => rendered(run, (own) => runLoop(node, { items: inner, depth: depth + 1 }, scope, own)) : undefined,
  });
  let isComplete = false;
  while (loop.advance()) {
    const inner = childScope(scope);
    inner.variables.set('loop', loop.variable);
    assign(node.target, loop.item(), inner, run);
    const signal = runStatements(node.body, inner, output);
    if (signal === 'break') break;
    // As in jinja2, what else there is to do is done where no body ran to its end.
    isComplete ||= signal === undefined;
  }
  if (!isComplete) runStatements(node.otherwise, childScope(scope), output);
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
