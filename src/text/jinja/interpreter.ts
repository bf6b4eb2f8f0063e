/**
 * Runs a template's syntax tree with Jinja's meaning. An interpreter of our own rather than the parser's, because a
 * template is a program from a file: it must stop, must not use up memory, and must show which of its output is its
 * own text.
 */
import type { Budget } from './budget.ts';
import { applyFilter, applyTest, itemsOf } from './filters.ts';
import type { CallNode, ForNode, IdentifierNode, MacroNode, Node } from './nodes.ts';
import { applyOperator, attributeOf, concatWithin, indexOf, pathOf, sliceOf, subscriptOf } from './operators.ts';
import { textOf } from './printing.ts';
import { ownText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { isCallable, isDict, isFloat, isNamespace, isText, isTruthy, numberOf, TemplateError, typeName } from './values.ts';
import type { Callable, Value } from './values.ts';

export interface Scope {
  readonly variables: Map<string, Value>;
  readonly parent: Scope | undefined;
  readonly budget: Budget;
}

function childScope(parent: Scope): Scope {
  return { variables: new Map(), parent, budget: parent.budget };
}

type Signal = 'break' | 'continue' | undefined;
type Named = ReadonlyMap<string, Value>;

/** Renders a program. @throws TemplateError, TemplateRefusal */
export function runTemplate(program: Node, globals: ReadonlyMap<string, Value>, budget: Budget): TemplateText {
  const output: TemplateText[] = [];
  if (program.type !== 'Program') throw new TemplateError('the template is empty');
  const base: Scope = { variables: new Map(globals), parent: undefined, budget };
  runBlock(program.body, childScope(base), output);
  return concatWithin(output, budget);
}

function lookup(scope: Scope, name: string): Value {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    if (at.variables.has(name)) return at.variables.get(name);
  }
  return undefined;
}

function runBlock(nodes: readonly Node[], scope: Scope, output: TemplateText[]): Signal {
  for (const node of nodes) {
    const signal = run(node, scope, output);
    if (signal !== undefined) return signal;
  }
  return undefined;
}

function blockText(nodes: readonly Node[], scope: Scope): TemplateText {
  const output: TemplateText[] = [];
  runBlock(nodes, scope, output);
  return concatWithin(output, scope.budget);
}

function run(node: Node, scope: Scope, output: TemplateText[]): Signal {
  scope.budget.spend(1);
  scope.budget.enter();
  const signal = runNode(node, scope, output);
  scope.budget.leave();
  return signal;
}

function runNode(node: Node, scope: Scope, output: TemplateText[]): Signal {
  switch (node.type) {
    case 'If':
      return runBlock(isTruthy(evaluate(node.test, scope)) ? node.body : node.alternate, scope, output);
    case 'For':
      runLoop(node, scope, output);
      return undefined;
    case 'Break':
      return 'break';
    case 'Continue':
      return 'continue';
    case 'Comment':
      return undefined;
    case 'Set':
      assign(node.assignee, node.value === null ? blockText(node.body, scope) : evaluate(node.value, scope), scope);
      return undefined;
    case 'Macro':
      scope.variables.set(node.name.value, macroOf(node, scope));
      return undefined;
    case 'CallStatement': {
      const caller = macroOf({ type: 'Macro', name: { type: 'Identifier', value: 'caller' }, args: node.callerArgs ?? [], body: node.body }, scope);
      output.push(textOf(call(node.call, scope, caller), scope.budget));
      return undefined;
    }
    case 'FilterStatement':
      output.push(textOf(filterValue(blockText(node.body, scope), node.filter, scope), scope.budget));
      return undefined;
    default:
      output.push(textOf(evaluate(node, scope), scope.budget));
      return undefined;
  }
}

function runLoop(node: ForNode, scope: Scope, output: TemplateText[]): void {
  const { iterable } = node;
  const inner = (item: Value): Scope => {
    const loopScope = childScope(scope);
    assign(node.loopvar, item, loopScope);
    return loopScope;
  };
  const all = itemsOf(evaluate(iterable.type === 'SelectExpression' ? iterable.lhs : iterable, scope), scope.budget);
  const items = iterable.type === 'SelectExpression' ? all.filter((item) => isTruthy(evaluate(iterable.test, inner(item)))) : all;
  for (let index = 0; index < items.length; index++) {
    const loopScope = inner(items[index]);
    loopScope.variables.set('loop', loopValue(items, index));
    if (runBlock(node.body, loopScope, output) === 'break') break;
  }
  if (items.length === 0) runBlock(node.defaultBlock, childScope(scope), output);
}

function assign(target: Node, value: Value, scope: Scope): void {
  if (target.type === 'Identifier') {
    scope.variables.set(target.value, value);
  } else if (target.type === 'TupleLiteral') {
    const items = itemsOf(value, scope.budget);
    if (items.length !== target.value.length) {
      throw new TemplateError(`expected ${target.value.length} values to unpack, found ${items.length}`);
    }
    target.value.forEach((part, index) => assign(part, items[index], scope));
  } else if (target.type === 'MemberExpression' && target.property.type === 'Identifier' && !target.computed) {
    const object = evaluate(target.object, scope);
    if (!isNamespace(object)) throw new TemplateError(`set: expected a namespace, found ${typeName(object)}`);
    object.fields.set(target.property.value, value);
  } else {
    throw new TemplateError(`set: cannot assign to ${target.type}`);
  }
}

function macroOf(node: MacroNode, scope: Scope): Callable {
  return {
    name: node.name.value,
    call(args, named) {
      const local: Scope = childScope(scope);
      const names = node.args.map((parameter) => parameterName(parameter));
      names.forEach((name, index) => {
        const parameter = node.args[index]!;
        const given = index < args.length ? args[index] : named.get(name);
        const isGiven = index < args.length || named.has(name);
        const fallback = parameter.type === 'KeywordArgumentExpression' && !isGiven ? evaluate(parameter.value, local) : undefined;
        local.variables.set(name, isGiven ? given : fallback);
      });
      if (named.has('caller')) local.variables.set('caller', named.get('caller'));
      local.variables.set('varargs', args.slice(names.length));
      const others = [...named].filter(([name]) => !names.includes(name) && name !== 'caller');
      local.variables.set('kwargs', { entries: new Map(others), foreignKeys: true });
      return blockText(node.body, local);
    },
  };
}

function evaluate(node: Node, scope: Scope): Value {
  scope.budget.spend(1);
  scope.budget.enter();
  const value = evaluateNode(node, scope);
  scope.budget.leave();
  return value;
}

function evaluateNode(node: Node, scope: Scope): Value {
  switch (node.type) {
    case 'StringLiteral':
      return ownText(node.value);
    case 'IntegerLiteral':
      return node.value;
    case 'FloatLiteral':
      return { float: node.value };
    case 'Identifier':
      return lookup(scope, node.value);
    case 'ArrayLiteral':
    case 'TupleLiteral':
      return node.value.map((item) => evaluate(item, scope));
    case 'ObjectLiteral':
      return dictLiteral(node.value, scope);
    case 'MemberExpression':
      return member(node.object, node.property, { computed: node.computed, scope });
    case 'CallExpression':
      return call(node, scope);
    case 'BinaryExpression': {
      const left = evaluate(node.left, scope);
      const operator = node.operator.value;
      if (operator === 'and') return isTruthy(left) ? evaluate(node.right, scope) : left;
      if (operator === 'or') return isTruthy(left) ? left : evaluate(node.right, scope);
      return applyOperator(operator, left, evaluate(node.right, scope), scope.budget);
    }
    case 'UnaryExpression':
      return unary(node.operator.value, evaluate(node.argument, scope));
    case 'FilterExpression':
      return filterValue(evaluate(node.operand, scope), node.filter, scope);
    case 'TestExpression':
      return applyTest(node.test.value, evaluate(node.operand, scope), { args: [], budget: scope.budget }) !== node.negate;
    case 'SelectExpression':
      return isTruthy(evaluate(node.test, scope)) ? evaluate(node.lhs, scope) : undefined;
    case 'Ternary':
      return evaluate(isTruthy(evaluate(node.condition, scope)) ? node.trueExpr : node.falseExpr, scope);
    default:
      throw new TemplateError(`${node.type} has no value`);
  }
}

function dictLiteral(pairs: ReadonlyMap<Node, Node>, scope: Scope): Value {
  const entries = new Map<string, Value>();
  let foreignKeys = false;
  for (const [key, value] of pairs) {
    const name = evaluate(key, scope);
    if (!isText(name)) throw new TemplateError(`the key of a dict should be a string, found ${typeName(name)}`);
    foreignKeys ||= name.foreign.length > 0;
    entries.set(name.text, evaluate(value, scope));
  }
  return { entries, foreignKeys };
}

function member(object: Node, property: Node, { computed, scope }: { computed: boolean; scope: Scope }): Value {
  const value = evaluate(object, scope);
  if (property.type === 'SliceExpression') {
    const bound = (node: Node | undefined): Value => node && evaluate(node, scope);
    return sliceOf(value, { start: bound(property.start), stop: bound(property.stop), step: bound(property.step) }, scope.budget);
  }
  if (computed) return subscriptOf(value, evaluate(property, scope), scope.budget);
  if (property.type === 'Identifier') return attributeOf(value, property.value, scope.budget);
  return property.type === 'IntegerLiteral' ? indexOf(value, property.value) : undefined;
}

function call(node: CallNode, scope: Scope, caller?: Callable): Value {
  const callee = evaluate(node.callee, scope);
  if (!isCallable(callee)) throw new TemplateError(`cannot call a value of type ${typeName(callee)}`);
  const { args, named } = argumentsOf(node.args, scope);
  return callee.call(args, caller === undefined ? named : new Map([...named, ['caller', caller]]));
}

function argumentsOf(nodes: readonly Node[], scope: Scope): { args: Value[]; named: Named } {
  const args: Value[] = [];
  const named = new Map<string, Value>();
  for (const node of nodes) {
    if (node.type === 'KeywordArgumentExpression') named.set(node.key.value, evaluate(node.value, scope));
    else if (node.type === 'SpreadExpression') args.push(...itemsOf(evaluate(node.argument, scope), scope.budget).slice(0, maxArguments));
    else if (node.type === 'KeywordSpreadExpression') {
      const dict = evaluate(node.argument, scope);
      if (isDict(dict)) for (const [key, value] of dict.entries) named.set(key, value);
    } else args.push(evaluate(node, scope));
  }
  return { args, named };
}

function filterValue(value: Value, filter: IdentifierNode | CallNode, scope: Scope): Value {
  const name = filter.type === 'Identifier' ? filter.value : filter.callee.type === 'Identifier' ? filter.callee.value : '';
  const { args, named } = argumentsOf(filter.type === 'Identifier' ? [] : filter.args, scope);
  return applyFilter(name, value, { args, named, budget: scope.budget, attribute: (item, path) => pathOf(item, path, scope.budget) });
}

const maxArguments = 1000;

function parameterName(parameter: Node): string {
  if (parameter.type === 'Identifier') return parameter.value;
  if (parameter.type === 'KeywordArgumentExpression') return parameter.key.value;
  throw new TemplateError(`a macro has a parameter of type ${parameter.type}`);
}

function unary(operator: string, value: Value): Value {
  if (operator === 'not') return !isTruthy(value);
  const number = numberOf(value);
  if (number === undefined) throw new TemplateError(`${operator} cannot be applied to a value of type ${typeName(value)}`);
  const result = operator === '-' ? -number : number;
  return isFloat(value) ? { float: result } : result;
}

/** The variable `loop`; its fields are made when one is first asked for, since most loops ask for none. */
function loopValue(items: readonly Value[], index: number): Value {
  let fields: Map<string, Value> | undefined;
  return {
    get entries() {
      return (fields ??= loopFields(items, index));
    },
    foreignKeys: false,
  };
}

function loopFields(items: readonly Value[], index: number): Map<string, Value> {
  const cycle: Callable = { name: 'cycle', call: (args) => args[index % Math.max(1, args.length)] };
  return new Map<string, Value>([
    ['index', index + 1],
    ['index0', index],
    ['revindex', items.length - index],
    ['revindex0', items.length - index - 1],
    ['first', index === 0],
    ['last', index === items.length - 1],
    ['length', items.length],
    ['previtem', index > 0 ? items[index - 1] : undefined],
    ['nextitem', items[index + 1]],
    ['cycle', cycle],
  ]);
}
