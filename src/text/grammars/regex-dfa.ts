/** A regular expression as an automaton over the code points of the whole text. */
import { InputError } from '../../tensor/errors.ts';
import { addState, closure, combine, determinise } from './char-dfa.ts';
import type { CharNfa } from './char-dfa.ts';
import { ANY_CODE } from './code-ranges.ts';
import type { CharDfa, CodeRanges } from './grammar-node.ts';
import { readRegex } from './regex-reader.ts';
import type { RegexNode } from './regex-reader.ts';

/** Stand for the two ends of a text, so that ^ and $ are characters. */
const TEXT_START: CodeRanges = [[-2, -2]];
const TEXT_END: CodeRanges = [[-1, -1]];

/** Parts that an expression may have, its repetitions written out. */
const MOST_PARTS = 30_000;

/** An expression that matches this text alone. */
export const literalPattern = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, '\\$&');

/**
 * @param isSearch true: texts in which a match is found somewhere, as `pattern` of JSON Schema has it; false: texts that match as a whole
 * @throws InputError as `readRegex` does, and for more states than there may be
 */
export function regexDfa(pattern: string, { isSearch }: { readonly isSearch: boolean }): CharDfa {
  const { node, lookaheads } = readRegex(pattern);
  return lookaheads.reduce(
    (dfa, { node: ahead, isNot }) => combine(dfa, nodeDfa(ahead, true), { less: isNot }), nodeDfa(node, isSearch));
}

/** How many parts a node makes: counted before any of them is made, since repetitions of repetitions multiply. */
function partsOf(node: RegexNode): number {
  switch (node.kind) {
    case 'set':
    case 'edge': return 1;
    case 'all': return node.items.reduce((sum, item) => sum + partsOf(item), 0);
    case 'any': return node.options.reduce((sum, option) => sum + 2 + partsOf(option), 0);
    case 'repeat': return 2 + (partsOf(node.item) + 1) * Math.max(1, node.max === Infinity ? node.min + 1 : node.max);
    default: return node satisfies never;
  }
}

function nodeDfa(node: RegexNode, isSearch: boolean): CharDfa {
  const parts = partsOf(node);
  if (parts > MOST_PARTS)
    throw new InputError(`its repetitions make ${parts} parts, more than ${MOST_PARTS}; simplify it, or give shorter bounds`);
  const nfa: CharNfa = { edges: [], jumps: [] };
  const first = addState(nfa);
  const inner = addNode(nfa, node, first);
  let last = inner;
  if (isSearch) {
    for (const ranges of [ANY_CODE, TEXT_START]) nfa.edges[first]?.push({ ranges, to: first });
    last = addState(nfa);
    nfa.jumps[inner]?.push(last);
    for (const ranges of [ANY_CODE, TEXT_END]) nfa.edges[last]?.push({ ranges, to: last });
  }
  const step = (states: Iterable<number>, mark: number) => [...closure(nfa, states)].flatMap((state) =>
    (nfa.edges[state] ?? []).filter(({ ranges }) => ranges[0]?.[0] === mark).map(({ to }) => to));
  // An end of the text is passed once, by any number of ^ or $ that stand there.
  const after = (states: Iterable<number>, mark: number) => {
    let passed = closure(nfa, step(states, mark));
    for (let count = -1; count !== passed.size; ) {
      count = passed.size;
      passed = closure(nfa, [...passed, ...step(passed, mark)]);
    }
    return passed;
  };
  const start = new Set(after([first], -2));
  // Of a whole match, ^ and $ at its ends say nothing.
  if (!isSearch) for (const state of closure(nfa, [first])) start.add(state);
  const isFinal = (states: readonly number[]) => after(states, -1).has(last) || (!isSearch && states.includes(last));
  const plain: CharNfa = { jumps: nfa.jumps, edges: nfa.edges.map((out) => out.filter(({ ranges }) => (ranges[0]?.[0] ?? 0) >= 0)) };
  return determinise(plain, [...start], isFinal);
}

/** Adds a node's states behind `from`; returns the state after it. */
function addNode(nfa: CharNfa, node: RegexNode, from: number): number {
  switch (node.kind) {
    case 'set':
    case 'edge': {
      const to = addState(nfa);
      const ranges = node.kind === 'set' ? node.ranges : node.isEnd ? TEXT_END : TEXT_START;
      nfa.edges[from]?.push({ ranges, to });
      return to;
    }
    case 'all': return node.items.reduce((state, item) => addNode(nfa, item, state), from);
    case 'any': {
      const end = addState(nfa);
      for (const option of node.options) {
        const start = addState(nfa);
        nfa.jumps[from]?.push(start);
        nfa.jumps[addNode(nfa, option, start)]?.push(end);
      }
      return end;
    }
    case 'repeat': return addRepeat(nfa, node, from);
    default: return node satisfies never;
  }
}

function addRepeat(nfa: CharNfa, { item, min, max }: RegexNode & { kind: 'repeat' }, from: number): number {
  let state = addState(nfa);
  nfa.jumps[from]?.push(state);
  for (let i = 0; i < min; i++) state = addNode(nfa, item, state);
  const end = addState(nfa);
  if (max === Infinity) {
    const start = addState(nfa);
    nfa.jumps[state]?.push(start, end);
    const after = addNode(nfa, item, start);
    nfa.jumps[after]?.push(start, end);
    return end;
  }
  nfa.jumps[state]?.push(end);
  for (let i = min; i < max; i++) {
    state = addNode(nfa, item, state);
    nfa.jumps[state]?.push(end);
  }
  return end;
}
