/** Values of expressions. */
import { attributeOf, hasSlices, itemOf, sliceOf } from './access.ts';
import { applyArithmetic, intOf } from './arithmetic.ts';
import type { GivenArguments } from './arguments.ts';
import { applyComparison } from './compare.ts';
import { dictKeys, dictOf, entryOf } from './dict.ts';
import { isConstant } from './expression-parts.ts';
import { applyFilter } from './filters.ts';
import { escapeText } from './html.ts';
import { itemsOf } from './iterate.ts';
import type { Arguments, Call, Comparison, Expression, Filter, Literal } from './nodes.ts';
import { textOf } from './printing.ts';
import { lookup } from './scope.ts';
import type { Run, Scope } from './scope.ts';
import { TemplateError } from './template-errors.ts';
import { asMarkup, concatWithin, ownText } from './template-text.ts';
import { applyTest } from './tests.ts';
import { isCallable, isDict, isFloat, isInt, isText, isTruthy, typeName } from './values.ts';
import type { Callable, Value } from './values.ts';

/** @throws TemplateError, TemplateRefusal */
export function evaluate(node: Expression, scope: Scope, run: Run): Value {
  run.budget.spend(1);
  run.budget.enter();
  const value = evaluateNode(node, scope, run);
  run.budget.leave();
  return value;
}

function evaluateNode(node: Expression, scope: Scope, run: Run): Value {
  switch (node.kind) {
    case 'literal':
      return literalValue(node.value);
    case 'name':
      return lookup(scope, node.name);
    case 'list':
      return node.items.map((item) => evaluate(item, scope, run));
    case 'tuple':
      return { tuple: node.items.map((item) => evaluate(item, scope, run)) };
    case 'dict':
      return dictOf(node.pairs.map(([key, value]) => [evaluate(key, scope, run), evaluate(value, scope, run)] as const));
    case 'attribute':
      return attributeOf(evaluate(node.object, scope, run), node.name, run.budget);
    case 'item':
      return evaluateItem(node.object, node.index, { scope, run });
    case 'slice':
      throw new TemplateError('a slice stands alone');
    case 'call':
      return evaluateCall(node, { scope, run });
    case 'filter':
      return filterValue(node, node.operand && evaluate(node.operand, scope, run), { scope, run });
    case 'test': {
      const operand = evaluate(node.operand, scope, run);
      return applyTest(node.name, operand, { ...argumentsOf(node.args, { scope, run }), run });
    }
    case 'if':
      if (isTruthy(evaluate(node.test, scope, run))) return evaluate(node.value, scope, run);
      return node.otherwise && evaluate(node.otherwise, scope, run);
    default:
      return evaluateOperator(node, scope, run);
  }
}

type OperatorNode = Extract<Expression, { kind: 'and' | 'or' | 'not' | 'negative' | 'positive' | 'compare' | 'arithmetic' | 'concat' }>;

function evaluateOperator(node: OperatorNode, scope: Scope, run: Run): Value {
  switch (node.kind) {
    case 'and':
    case 'or': {
      const left = evaluate(node.left, scope, run);
      return isTruthy(left) === (node.kind === 'and') ? evaluate(node.right, scope, run) : left;
    }
    case 'not':
      return !isTruthy(evaluate(node.operand, scope, run));
    case 'negative':
    case 'positive':
      return signed(node.kind, evaluate(node.operand, scope, run));
    case 'compare':
      return evaluateComparison(node.first, node.rest, { scope, run });
    case 'arithmetic':
      return applyArithmetic(node.operator, evaluate(node.left, scope, run), evaluate(node.right, scope, run), run.budget);
    case 'concat': {
      const values = node.parts.map((part) => evaluate(part, scope, run));
      if (run.escaping !== 'always' || !values.some((value) => isText(value) && value.markup))
        return concatWithin(
          values.map((value) => textOf(value, run.budget)),
          run.budget,
        );
      return asMarkup(
        concatWithin(
          values.map((value) => escapeText(value, run.budget)),
          run.budget,
        ),
      );
    }
    default:
      return node satisfies never;
  }
}

interface Where {
  readonly scope: Scope;
  readonly run: Run;
}

function literalValue(value: Literal): Value {
  return typeof value === 'string' ? ownText(value) : value;
}

function evaluateItem(object: Expression, index: Expression, { scope, run }: Where): Value {
  const value = evaluate(object, scope, run);
  if (index.kind !== 'slice') return itemOf(value, evaluate(index, scope, run), run.budget);
  const [start, stop, step] = index.bounds.map((bound) => (bound === undefined ? null : evaluate(bound, scope, run)));
  try {
    return sliceOf(value, [start, stop, step], run.budget);
  } catch (error) {
    // jinja2 works out constants beforehand, and makes them undefined where that fails.
    if (error instanceof TemplateError && !(hasSlices(value) && isZero(step)) && isConstant(object) && isConstant(index)) return undefined;
    throw error;
  }
}

const isZero = (value: Value): boolean => isInt(value) && Number(value) === 0;

/** Of `a < b < c`, `b` has its value once, and `c` only where it counts. */
function evaluateComparison(first: Expression, rest: readonly (readonly [Comparison, Expression])[], { scope, run }: Where): boolean {
  let left = evaluate(first, scope, run);
  for (const [operator, node] of rest) {
    const right = evaluate(node, scope, run);
    if (!applyComparison(operator, left, right, run.budget)) return false;
    left = right;
  }
  return true;
}

function signed(kind: 'negative' | 'positive', value: Value): Value {
  const isNegative = kind === 'negative';
  if (isFloat(value)) return isNegative ? { float: -value.float } : value;
  if (!isInt(value)) throw new TemplateError(`${isNegative ? '-' : '+'} cannot be applied to a value of type ${typeName(value)}`);
  return intOf(isNegative ? -BigInt(value) : BigInt(value));
}

/** @param caller the body of a call block, as the argument `caller` */
export function evaluateCall(node: Call, { scope, run, caller }: Where & { readonly caller?: Callable }): Value {
  const callee = evaluate(node.callee, scope, run);
  if (!isCallable(callee)) throw new TemplateError(`cannot call a value of type ${typeName(callee)}`);
  const { args, named } = argumentsOf(node.args, { scope, run });
  return callee.call!(args, caller === undefined ? named : new Map([...named, ['caller', caller]]));
}

const maxArguments = 1000;

function argumentsOf(nodes: Arguments, { scope, run }: Where): GivenArguments {
  const args = nodes.positional.map((node) => evaluate(node, scope, run));
  const named = new Map<string, Value>();
  for (const [name, node] of nodes.named) named.set(name, evaluate(node, scope, run));
  if (nodes.list !== undefined) args.push(...itemsOf(evaluate(nodes.list, scope, run), run.budget).slice(0, maxArguments));
  if (nodes.dict === undefined) return { args, named };
  const dict = evaluate(nodes.dict, scope, run);
  if (!isDict(dict)) throw new TemplateError(`** in a call needs a dict, found ${typeName(dict)}`);
  for (const key of dictKeys(dict)) {
    if (!isText(key)) throw new TemplateError(`the name of an argument is a value of type ${typeName(key)}`);
    if (named.has(key.text)) throw new TemplateError(`the argument "${key.text.slice(0, 60)}" is given twice`);
    named.set(key.text, entryOf(dict, key)!.value);
  }
  return { args, named };
}

/** @param value of its operand */
export function filterValue(node: Filter, value: Value, { scope, run }: Where): Value {
  return applyFilter(node.name, value, { ...argumentsOf(node.args, { scope, run }), run });
}

/** Filters of a block, each on what the one before it made. */
export function filterChain(node: Filter, text: Value, where: Where): Value {
  const operand = node.operand?.kind === 'filter' ? filterChain(node.operand, text, where) : text;
  return filterValue(node, operand, where);
}
