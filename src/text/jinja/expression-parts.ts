/** The parts of an expression. */
import type { Arguments, Expression } from './nodes.ts';

/** An expression and all that it is made of. A chain such as `a + b + c` is a tree as deep as it is long: nothing here calls itself. */
export function* partsOf(expression: Expression | undefined): Generator<Expression> {
  const left: (Expression | undefined)[] = [expression];
  while (left.length > 0) {
    const node = left.pop();
    if (node === undefined) continue;
    yield node;
    left.push(...childrenOf(node));
  }
}

/** Filters that ask for the template's variables, which jinja2 leaves to the run even where all else is constant. */
const variableFilters: readonly string[] = ['map', 'select', 'selectattr', 'reject', 'rejectattr', 'random'];

/** Whether jinja2 works an expression out as it reads the template. */
export function isConstant(expression: Expression): boolean {
  for (const node of partsOf(expression)) {
    if (node.kind === 'name' || node.kind === 'call' || (node.kind === 'filter' && variableFilters.includes(node.name))) return false;
  }
  return true;
}

function childrenOf(node: Expression): readonly (Expression | undefined)[] {
  switch (node.kind) {
    case 'literal':
    case 'name':
      return [];
    case 'call':
      return [node.callee, ...argumentParts(node.args)];
    case 'filter':
    case 'test':
      return [node.operand, ...argumentParts(node.args)];
    case 'list':
    case 'tuple':
      return node.items;
    case 'dict':
      return node.pairs.flat();
    case 'attribute':
      return [node.object];
    case 'item':
      return [node.object, node.index];
    case 'slice':
      return node.bounds;
    case 'not':
    case 'negative':
    case 'positive':
      return [node.operand];
    case 'compare':
      return [node.first, ...node.rest.map(([, operand]) => operand)];
    case 'concat':
      return node.parts;
    case 'if':
      return [node.test, node.value, node.otherwise];
    default:
      return [node.left, node.right];
  }
}

function argumentParts({ positional, named, list, dict }: Arguments): readonly (Expression | undefined)[] {
  return [...positional, ...named.map(([, value]) => value), list, dict];
}
