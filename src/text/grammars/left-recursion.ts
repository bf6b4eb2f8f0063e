/** Finds rules that stand at their own beginning: read byte by byte, they would call themselves for ever. */
import type { GrammarNode, RuleNode } from './grammar-node.ts';
import { growRules } from './texts-of-rules.ts';

/** One of these rules that may begin with itself. Each rule is looked at once, whatever the others are. */
export function findLeftRecursion(rules: ReadonlySet<RuleNode>): RuleNode | undefined {
  const empty = emptyRules(rules);
  const isOver = new Set<RuleNode>();
  for (const first of rules) {
    // Rules that are open, each at the beginning of the one before, with those of its own beginning that were not looked at.
    const path = [{ rule: first, begins: firstRules(first, empty) }];
    const open = new Set([first]);
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const next = last.begins.pop();
      if (next === undefined || isOver.has(last.rule)) {
        isOver.add(last.rule);
        open.delete(last.rule);
        path.pop();
      } else if (open.has(next)) return next;
      else if (!isOver.has(next)) {
        open.add(next);
        path.push({ rule: next, begins: firstRules(next, empty) });
      }
    }
  }
  return undefined;
}

/** Rules that have the empty text. */
function emptyRules(rules: ReadonlySet<RuleNode>): ReadonlySet<RuleNode> {
  const empty = new Set<RuleNode>();
  growRules(rules, empty, (body) => isEmptyAllowed(body, empty));
  return empty;
}

function isEmptyAllowed(node: GrammarNode, empty: ReadonlySet<RuleNode>): boolean {
  switch (node.kind) {
    case 'sequence': return node.items.every((item) => isEmptyAllowed(item, empty));
    case 'choice': return node.options.some((option) => isEmptyAllowed(option, empty));
    case 'repeat': return node.min === 0 || isEmptyAllowed(node.item, empty);
    case 'rule': return empty.has(node);
    case 'bytes': return node.bytes.length === 0;
    default: return false;
  }
}

/** Rules at the beginning of a rule's body, each once. */
function firstRules({ body }: RuleNode, empty: ReadonlySet<RuleNode>): RuleNode[] {
  const found = new Set<RuleNode>();
  const addFirst = (node: GrammarNode): void => {
    if (node.kind === 'rule') found.add(node);
    else if (node.kind === 'choice') node.options.forEach(addFirst);
    else if (node.kind === 'repeat') addFirst(node.item);
    else if (node.kind === 'sequence') {
      for (const item of node.items) {
        addFirst(item);
        if (!isEmptyAllowed(item, empty)) break;
      }
    }
  };
  if (body !== undefined) addFirst(body);
  return [...found];
}
