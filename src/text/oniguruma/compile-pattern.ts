/** From the syntax tree of a pattern to a list of instructions. */
import { createCharSet } from './char-set.ts';
import type { CharSet } from './char-set.ts';
import type { AnchorKind, PatternNode } from './pattern-node.ts';
import type { ParsedPattern } from './parse-pattern.ts';

/** Instructions, each followed by its operands. A target is the index of an instruction. */
export const OP = {
  match: 0,
  /** set: one code point. */
  set: 1,
  /** first, second: goes on at the first; the second is tried if that fails. */
  split: 2,
  /** target */
  jump: 3,
  /** set, min, max, isPossessive: as many code points as there are, given back one by one. */
  loop: 4,
  /** anchor: index in ANCHORS. */
  anchor: 5,
  /** negated, target: the instructions up to `target` must (not) match here. */
  lookAhead: 6,
  /** negated, target, shortest, longest: the instructions up to `target` must (not) match and end here. */
  lookBehind: 7,
  /** target: the instructions up to `target`, of whose matches only the first counts. */
  atomic: 8,
  /** register: keeps the position. */
  save: 9,
  /** register, target: jumps if nothing was matched since the register was saved. */
  jumpIfEmpty: 10,
  /** group, ignoreCase: the text of a group; the next one is tried where it has matched nothing. */
  backreference: 11,
  /** set, target: jumps where no code point of the set stands. */
  jumpUnless: 12,
  fail: 13,
} as const;

export const ANCHORS: readonly AnchorKind[] = [
  'lineStart', 'lineEnd', 'textStart', 'textEnd', 'textEndOrNewline', 'searchStart', 'wordBoundary', 'notWordBoundary',
];

export interface PatternProgram {
  readonly code: Int32Array;
  readonly sets: readonly CharSet[];
  readonly registers: number;
  /** The code points that a match can begin with; undefined where it may be empty. */
  readonly first: CharSet | undefined;
}

interface Builder {
  readonly code: number[];
  readonly sets: CharSet[];
  readonly setIndexes: Map<CharSet, number>;
  registers: number;
  readonly keepsCaptures: boolean;
}

const maxCodeLength = 200_000;

/** @throws SyntaxError for a pattern whose intervals make it too large */
export function compilePattern({ node, captures }: ParsedPattern): PatternProgram {
  const keepsCaptures = hasBackreference(node);
  const builder: Builder = { code: [], sets: [], setIndexes: new Map(), registers: 2 * (captures + 1), keepsCaptures };
  emit(builder, node);
  push(builder, OP.match);
  const first = firstOf(node);
  const { sets, registers } = builder;
  return { code: Int32Array.from(builder.code), sets, registers, first: first.nullable ? undefined : unionOf(first.sets) };
}

function hasBackreference(node: PatternNode): boolean {
  switch (node.type) {
    case 'backreference':
      return true;
    case 'sequence':
      return node.nodes.some(hasBackreference);
    case 'alternatives':
      return node.branches.some(hasBackreference);
    case 'set':
    case 'anchor':
      return false;
    default:
      return hasBackreference(node.node);
  }
}

/** Adds an instruction and gives its index. */
function push(builder: Builder, ...words: number[]): number {
  const at = builder.code.length;
  if (at > maxCodeLength) throw new SyntaxError('the intervals of the pattern make it too large');
  builder.code.push(...words);
  return at;
}

function addSet(builder: Builder, set: CharSet): number {
  const index = builder.setIndexes.get(set) ?? builder.sets.push(set) - 1;
  builder.setIndexes.set(set, index);
  return index;
}

function emit(builder: Builder, node: PatternNode): void {
  switch (node.type) {
    case 'set':
      push(builder, OP.set, addSet(builder, node.set));
      return;
    case 'sequence':
      for (const each of node.nodes) emit(builder, each);
      return;
    case 'alternatives':
      return emitAlternatives(builder, node.branches);
    case 'repeat':
      return emitRepeat(builder, node);
    case 'capture':
      if (builder.keepsCaptures) push(builder, OP.save, 2 * node.index);
      emit(builder, node.node);
      if (builder.keepsCaptures) push(builder, OP.save, 2 * node.index + 1);
      return;
    case 'atomic':
      return emitInner(builder, [OP.atomic], node.node);
    case 'look':
      return emitLook(builder, node);
    case 'anchor':
      push(builder, OP.anchor, ANCHORS.indexOf(node.kind));
      return;
    case 'backreference':
      return emitBackreference(builder, node);
    default:
      return node satisfies never;
  }
}

/** An instruction, whose last word so far becomes its target, and instructions of their own that it runs. */
function emitInner(builder: Builder, words: readonly number[], node: PatternNode): void {
  const at = push(builder, ...words, 0);
  emit(builder, node);
  push(builder, OP.match);
  builder.code[at + words.length] = builder.code.length;
}

function emitLook(builder: Builder, { node, behind, negated }: Extract<PatternNode, { type: 'look' }>): void {
  if (!behind) return emitInner(builder, [OP.lookAhead, Number(negated)], node);
  const { shortest, longest } = widthOf(node);
  const at = push(builder, OP.lookBehind, Number(negated), 0, shortest, Math.min(longest, maxWidth));
  emit(builder, node);
  push(builder, OP.match);
  builder.code[at + 2] = builder.code.length;
}

const maxWidth = 0x7fffffff;

/** The fewest and most code points that a node matches. */
function widthOf(node: PatternNode): { shortest: number; longest: number } {
  switch (node.type) {
    case 'set':
      return { shortest: 1, longest: 1 };
    case 'sequence': {
      const widths = node.nodes.map(widthOf);
      const sum = (key: 'shortest' | 'longest'): number => widths.reduce((total, width) => total + width[key], 0);
      return { shortest: sum('shortest'), longest: sum('longest') };
    }
    case 'alternatives': {
      const widths = node.branches.map(widthOf);
      return { shortest: Math.min(...widths.map((each) => each.shortest)), longest: Math.max(...widths.map((each) => each.longest)) };
    }
    case 'repeat': {
      const { shortest, longest } = widthOf(node.node);
      return { shortest: shortest * node.min, longest: longest === 0 ? 0 : longest * node.max };
    }
    case 'capture':
    case 'atomic':
      return widthOf(node.node);
    case 'look':
    case 'anchor':
      return { shortest: 0, longest: 0 };
    case 'backreference':
      return { shortest: 0, longest: Infinity };
    default:
      return node satisfies never;
  }
}

function emitAlternatives(builder: Builder, branches: readonly PatternNode[]): void {
  const ends: number[] = [];
  branches.forEach((branch, index) => {
    if (index === branches.length - 1) return emit(builder, branch);
    const first = firstOf(branch);
    // A look at the next character saves most branches.
    const peek = first.nullable ? undefined : push(builder, OP.jumpUnless, addSet(builder, unionOf(first.sets)), 0);
    const split = push(builder, OP.split, 0, 0);
    builder.code[split + 1] = builder.code.length;
    emit(builder, branch);
    ends.push(push(builder, OP.jump, 0) + 1);
    builder.code[split + 2] = builder.code.length;
    if (peek !== undefined) builder.code[peek + 2] = builder.code.length;
  });
  for (const end of ends) builder.code[end] = builder.code.length;
}

function emitRepeat(builder: Builder, { node, min, max, mode }: Extract<PatternNode, { type: 'repeat' }>): void {
  if (node.type === 'set' && mode !== 'lazy') {
    push(builder, OP.loop, addSet(builder, node.set), min, Math.min(max, maxWidth), Number(mode === 'possessive'));
    return;
  }
  if (mode === 'possessive') {
    return emitInner(builder, [OP.atomic], { type: 'repeat', node, min, max, mode: 'greedy' });
  }
  for (let count = 0; count < min; count++) emit(builder, node);
  if (max === Infinity) return emitEndless(builder, node, mode === 'lazy');
  const exits: number[] = [];
  for (let count = min; count < max; count++) {
    exits.push(emitChoice(builder, mode === 'lazy'));
    emit(builder, node);
  }
  for (const exit of exits) builder.code[exit] = builder.code.length;
}

/** A split of which one way goes on behind it. @returns where the other target is to be written */
function emitChoice(builder: Builder, isLazy: boolean): number {
  const split = push(builder, OP.split, 0, 0);
  builder.code[split + (isLazy ? 2 : 1)] = builder.code.length;
  return split + (isLazy ? 1 : 2);
}

function emitEndless(builder: Builder, node: PatternNode, isLazy: boolean): void {
  const start = builder.code.length;
  const exit = emitChoice(builder, isLazy);
  const canBeEmpty = widthOf(node).shortest === 0;
  const register = canBeEmpty ? builder.registers++ : 0;
  if (canBeEmpty) push(builder, OP.save, register);
  emit(builder, node);
  // A round that matched nothing is the last one.
  const leave = canBeEmpty ? push(builder, OP.jumpIfEmpty, register, 0) : undefined;
  push(builder, OP.jump, start);
  builder.code[exit] = builder.code.length;
  if (leave !== undefined) builder.code[leave + 2] = builder.code.length;
}

function emitBackreference(builder: Builder, { indexes, ignoreCase }: Extract<PatternNode, { type: 'backreference' }>): void {
  const ends: number[] = [];
  // Of groups with one name the last that matched is meant.
  for (const index of indexes.toReversed()) {
    const at = push(builder, OP.backreference, index, Number(ignoreCase), 0);
    ends.push(push(builder, OP.jump, 0) + 1);
    builder.code[at + 3] = builder.code.length;
  }
  push(builder, OP.fail);
  for (const end of ends) builder.code[end] = builder.code.length;
}

interface FirstChars {
  readonly sets: readonly CharSet[];
  /** May match without a character, or begins with what is not looked into here. */
  readonly nullable: boolean;
}

function firstOf(node: PatternNode): FirstChars {
  switch (node.type) {
    case 'set':
      return { sets: [node.set], nullable: false };
    case 'sequence': {
      const sets: CharSet[] = [];
      for (const each of node.nodes) {
        const first = firstOf(each);
        sets.push(...first.sets);
        if (!first.nullable) return { sets, nullable: false };
      }
      return { sets, nullable: true };
    }
    case 'alternatives': {
      const all = node.branches.map(firstOf);
      return { sets: all.flatMap((each) => each.sets), nullable: all.some((each) => each.nullable) };
    }
    case 'repeat': {
      const first = firstOf(node.node);
      return { sets: first.sets, nullable: first.nullable || node.min === 0 };
    }
    case 'capture':
    case 'atomic':
      return firstOf(node.node);
    case 'look':
    case 'anchor':
      return { sets: [], nullable: true };
    case 'backreference':
      return { sets: [anyChar], nullable: true };
    default:
      return node satisfies never;
  }
}

const anyChar: CharSet = { has: () => true };

function unionOf(sets: readonly CharSet[]): CharSet {
  return sets.length === 1 ? sets[0]! : createCharSet((codePoint) => sets.some((set) => set.has(codePoint)));
}
