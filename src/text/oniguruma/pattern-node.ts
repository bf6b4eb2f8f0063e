/** The syntax tree of a regular expression. */
import type { CharSet } from './char-set.ts';

export type RepeatMode = 'greedy' | 'lazy' | 'possessive';

export type AnchorKind =
  | 'lineStart'
  | 'lineEnd'
  | 'textStart'
  | 'textEnd'
  | 'textEndOrNewline'
  | 'searchStart'
  | 'wordBoundary'
  | 'notWordBoundary';

export type PatternNode =
  | { readonly type: 'set'; readonly set: CharSet }
  | { readonly type: 'sequence'; readonly nodes: readonly PatternNode[] }
  | { readonly type: 'alternatives'; readonly branches: readonly PatternNode[] }
  | { readonly type: 'repeat'; readonly node: PatternNode; readonly min: number; readonly max: number; readonly mode: RepeatMode }
  | { readonly type: 'capture'; readonly index: number; readonly node: PatternNode }
  | { readonly type: 'atomic'; readonly node: PatternNode }
  | { readonly type: 'look'; readonly node: PatternNode; readonly behind: boolean; readonly negated: boolean }
  | { readonly type: 'anchor'; readonly kind: AnchorKind }
  | { readonly type: 'backreference'; readonly indexes: readonly number[]; readonly ignoreCase: boolean };
