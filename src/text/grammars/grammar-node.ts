/** What a grammar is made of: a description of texts. `automaton.ts` reads one byte by byte. */

/** Ascending pairs of first and last code point, which do not touch; none of them surrogates. */
export type CodeRanges = readonly (readonly [number, number])[];

/**
 * How a code point is written. `text`: as UTF-8. `json`: as `JSON.stringify` writes it inside a string, which is one way for each code
 * point, so that what is said of a string's characters can be said of its JSON text.
 */
export type Writing = 'text' | 'json';

export type GrammarNode =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | WordsNode
  /** Runs of byte ranges, one byte of each. */
  | { readonly kind: 'byteRanges'; readonly ranges: CodeRanges }
  | CharsNode
  /** One token by its number, whatever its text. */
  | { readonly kind: 'token'; readonly id: number }
  | { readonly kind: 'sequence'; readonly items: readonly GrammarNode[] }
  /** None of the options: nothing is accepted. */
  | { readonly kind: 'choice'; readonly options: readonly GrammarNode[] }
  | RepeatNode
  | RuleNode
  | StepsNode
  | DfaNode;

/** One of some texts. Those that begin alike are one way on, however many they are. */
export interface WordsNode {
  readonly kind: 'words';
  /** Ascending by their bytes, each once. */
  readonly words: readonly Uint8Array[];
  /** What follows each, by its number, the same node whenever it is asked for. Default nothing. */
  readonly after?: ((index: number) => GrammarNode) | undefined;
}

/** One of some code points. */
export interface CharsNode {
  readonly kind: 'chars';
  readonly ranges: CodeRanges;
  readonly writing: Writing;
}

export interface RepeatNode {
  readonly kind: 'repeat';
  readonly item: GrammarNode;
  readonly min: number;
  /** May be Infinity. */
  readonly max: number;
  /** Each item is one character of a string, which calls nothing: how many a token has is counted once for all states. */
  readonly isOfChars: boolean;
}

/** What several places share, or what holds itself. Its states do not know who asked for it. */
export interface RuleNode {
  readonly kind: 'rule';
  readonly name: string;
  body: GrammarNode | undefined;
}

/** Places between which nodes lead, found as they are needed: members of an object, items of an array. */
export interface StepsNode {
  readonly kind: 'steps';
  /** No number. */
  readonly start: string;
  /** All nodes that may follow somewhere. */
  readonly parts: readonly GrammarNode[];
  /** Whether there is a way to the end by nodes that have texts. */
  hasTexts(has: (node: GrammarNode) => boolean): boolean;
  /** What may follow at a place, and the place after it; only what has a way to the end. No place: the node goes on to the end. */
  follow(at: string): readonly { readonly node: GrammarNode; readonly to: string | undefined }[];
  endsAt(at: string): boolean;
}

/** A deterministic automaton over code points. */
export interface CharDfa {
  /** By state; state 0 is the first. */
  readonly edges: readonly (readonly { readonly ranges: CodeRanges; readonly to: number }[])[];
  readonly isFinal: readonly boolean[];
}

export interface DfaNode {
  readonly kind: 'dfa';
  readonly dfa: CharDfa;
  readonly writing: Writing;
}

const encoder = new TextEncoder();

export const bytesNode = (bytes: Uint8Array): GrammarNode => ({ kind: 'bytes', bytes });
export const textNode = (text: string): GrammarNode => bytesNode(encoder.encode(text));

/** One of these texts, and of what else there is. */
export function anyOf(options: readonly GrammarNode[]): GrammarNode {
  const words = options.flatMap((option) => (option.kind === 'bytes' && option.bytes.length > 0 ? [option.bytes] : []));
  if (words.length < 2) return choice(options);
  const others = options.filter((option) => option.kind !== 'bytes' || option.bytes.length === 0);
  return choice([wordsNode(words), ...others]);
}

/** @param words none of them empty */
export function wordsNode(words: readonly Uint8Array[]): WordsNode {
  const sorted = words.toSorted(compareBytes);
  return { kind: 'words', words: sorted.filter((word, i) => i === 0 || compareBytes(word, sorted[i - 1] as Uint8Array) !== 0) };
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return (a[i] as number) - (b[i] as number);
  return a.length - b.length;
}

export const tokenNode = (id: number): GrammarNode => ({ kind: 'token', id });
export const sequence = (...items: readonly GrammarNode[]): GrammarNode =>
  items.length === 1 ? (items[0] as GrammarNode) : { kind: 'sequence', items };
export const choice = (options: readonly GrammarNode[]): GrammarNode =>
  options.length === 1 ? (options[0] as GrammarNode) : { kind: 'choice', options };
export const repeat = (item: GrammarNode, min: number, max: number): GrammarNode => ({ kind: 'repeat', item, min, max, isOfChars: false });
export const repeatChars = (item: GrammarNode, min: number, max: number): GrammarNode =>
  ({ kind: 'repeat', item, min, max, isOfChars: true });
export const optional = (item: GrammarNode): GrammarNode => repeat(item, 0, 1);
export const chars = (ranges: CodeRanges, writing: Writing = 'text'): GrammarNode => ({ kind: 'chars', ranges, writing });
export const dfaNode = (dfa: CharDfa, writing: Writing): GrammarNode => ({ kind: 'dfa', dfa, writing });
export const ruleOf = (name: string, body?: GrammarNode): RuleNode => ({ kind: 'rule', name, body });

/** The empty text. */
export const EMPTY: GrammarNode = { kind: 'sequence', items: [] };
/** No text at all. */
export const NOTHING: GrammarNode = { kind: 'choice', options: [] };
