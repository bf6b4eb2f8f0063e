/** Finds which nodes of a grammar have any text. A rule may hold itself, so that it is looked for until nothing more is found. */
import { isEmptyDfa } from './char-dfa.ts';
import type { GrammarNode, RuleNode } from './grammar-node.ts';

/** All rules that a node leads to. */
export function rulesOf(root: GrammarNode): ReadonlySet<RuleNode> {
  const rules = new Set<RuleNode>();
  const waiting: GrammarNode[] = [root];
  while (waiting.length > 0) {
    const node = waiting.pop() as GrammarNode;
    if (node.kind === 'rule') {
      if (rules.has(node)) continue;
      rules.add(node);
    }
    waiting.push(...partsOf(node));
  }
  return rules;
}

function partsOf(node: GrammarNode): readonly GrammarNode[] {
  switch (node.kind) {
    case 'sequence': return node.items;
    case 'choice': return node.options;
    case 'repeat': return [node.item];
    case 'rule': return node.body === undefined ? [] : [node.body];
    case 'steps': return node.parts;
    default: return [];
  }
}

/** @param known rules of which it is known already; those that are found are added */
export function findTexts(root: GrammarNode, known: Set<RuleNode> = new Set()): (node: GrammarNode) => boolean {
  const open = [...rulesOf(root)].filter((rule) => !known.has(rule));
  const has = (node: GrammarNode): boolean => {
    switch (node.kind) {
      case 'sequence': return node.items.every(has);
      case 'choice': return node.options.some(has);
      case 'repeat': return node.min === 0 || has(node.item);
      case 'rule': return known.has(node);
      case 'steps': return node.hasTexts(has);
      case 'dfa': return !isEmptyDfa(node.dfa);
      case 'chars': return node.ranges.length > 0;
      default: return true;
    }
  };
  for (let found = true; found; ) {
    found = false;
    for (const rule of open) {
      if (known.has(rule) || rule.body === undefined || !has(rule.body)) continue;
      known.add(rule);
      found = true;
    }
  }
  return has;
}
