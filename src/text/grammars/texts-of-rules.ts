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
    for (const part of partsOf(node)) waiting.push(part);
  }
  return rules;
}

/**
 * Adds to `known` those of the `open` rules whose body holds, which `holds` tells by the rules that are known: until there are no more.
 * A rule is looked at again only when one that it names was added, so that a chain of rules costs no more than all of them once or twice.
 */
export function growRules(open: Iterable<RuleNode>, known: Set<RuleNode>, holds: (body: GrammarNode) => boolean): void {
  let waiting = new Set([...open].toReversed());
  const namedBy = new Map<RuleNode, RuleNode[]>();
  for (const rule of waiting) {
    for (const named of namedIn(rule)) {
      const users = namedBy.get(named);
      if (users === undefined) namedBy.set(named, [rule]);
      else users.push(rule);
    }
  }
  while (waiting.size > 0) {
    const again = new Set<RuleNode>();
    for (const rule of waiting) {
      if (known.has(rule) || rule.body === undefined || !holds(rule.body)) continue;
      known.add(rule);
      for (const user of namedBy.get(rule) ?? []) again.add(user);
    }
    waiting = again;
  }
}

/** Rules in the body of a rule, each once, not those in these. */
function namedIn(rule: RuleNode): ReadonlySet<RuleNode> {
  const found = new Set<RuleNode>();
  const waiting = [...partsOf(rule)];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.kind === 'rule') found.add(node);
    else for (const part of partsOf(node)) waiting.push(part);
  }
  return found;
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
  growRules(open, known, has);
  return has;
}
