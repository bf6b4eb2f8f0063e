/** Which tokens may follow in one answer, by all that was asked for: its format, texts that it must not hold, the caller's own word. */
import { InputError } from '../tensor/errors.ts';
import { createBannedTexts } from '../text/banned-texts.ts';
import type { GrammarMatcher } from '../text/grammars/matcher.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { DecodingSettings } from './decoding-settings.ts';
import type { TextSide } from './prompt.ts';
import type { RowConstraint } from './subscription.ts';

interface ConstrainedJob {
  readonly core: { readonly vocabSize: number };
  readonly text: TextSide;
  readonly settings: DecodingSettings;
  readonly maskAfter?: ((answer: readonly number[]) => Uint32Array) | undefined;
  /** What ends the thought that the answer begins inside of: the format begins behind it. Undefined: at once. */
  readonly thoughtEnd?: string | undefined;
}

/** Tokens that have to follow which are worth a step of rows: one would take a step anyway. */
const FEWEST_FORCED = 2;

/** Characters beside the mark that one token may have. */
const TAIL = 64;

/** For one answer, of which these tokens are there; undefined where any token may follow. */
export function rowConstraint(
  { core, text, settings, maskAfter, thoughtEnd }: ConstrainedJob, answered: readonly number[],
): RowConstraint | undefined {
  const { bannedTexts, grammar, topLogprobs } = settings;
  const { tokenizer } = text;
  const answer: number[] = [];
  const matcher = thoughtEnd === undefined || tokenizer === undefined || grammar === undefined
    ? grammar?.start()
    : behindThought(grammar.start({ isBehindText: true }), { tokenizer, vocabSize: core.vocabSize, endIds: text.endIds, thoughtEnd });
  const banned = tokenizer !== undefined && bannedTexts.length > 0
    ? createBannedTexts(bannedTexts, tokenizer, core.vocabSize).start()
    : undefined;
  const masks = [
    ...(matcher === undefined ? [] : [() => matcher.mask()]),
    ...(maskAfter === undefined ? [] : [() => maskAfter(answer)]),
    ...(banned === undefined ? [] : [() => banned.maskAfter(answer)]),
  ];
  if (masks.length === 0) return undefined;
  // Each token that is reported with its probability is chosen, and what others rule out must not be added.
  const mayAdd = matcher !== undefined && masks.length === 1 && topLogprobs === undefined;
  const take = (token: number) => {
    answer.push(token);
    matcher?.accept(token);
  };
  for (const token of answered) take(token);
  return {
    mask: () => masks.map((mask) => mask()).reduce(bothMasks),
    accept(token) {
      take(token);
      const forced = mayAdd ? matcher.forced() : [];
      // Whether tokens are added must not depend on who is beside them, since the tokens of an answer would.
      const following = forced.length < FEWEST_FORCED ? [] : forced;
      for (const each of following) take(each);
      return following;
    },
  };
}

/** What both allow. @throws InputError where that is nothing */
function bothMasks(one: Uint32Array, other: Uint32Array): Uint32Array {
  const both = one.map((word, i) => word & (other[i] as number));
  if (both.some((word) => word !== 0)) return both;
  throw new InputError('No token may be next: what bannedTexts leave out is all that the format of the answer allows here.');
}

interface ThoughtOptions {
  readonly tokenizer: Tokenizer;
  readonly vocabSize: number;
  readonly endIds: ReadonlySet<number>;
  readonly thoughtEnd: string;
}

type Matcher = Pick<GrammarMatcher, 'mask' | 'accept' | 'forced'>;

/** Lets anything be thought, but not the answer's end, and holds to the grammar behind the mark that ends the thought. */
function behindThought(matcher: GrammarMatcher, { tokenizer, vocabSize, endIds, thoughtEnd }: ThoughtOptions): Matcher {
  const inThought = new Uint32Array((vocabSize + 31) >> 5).fill(0xffffffff);
  for (let id = 0; id < inThought.length * 32; id++)
    if (id >= vocabSize || endIds.has(id)) inThought[id >> 5] = (inThought[id >> 5] as number) & ~(1 << (id & 31));
  const decoder = tokenizer.streamDecoder();
  let tail = '';
  let isOver = false;
  return {
    mask: () => (isOver ? matcher.mask() : inThought),
    forced: () => (isOver ? matcher.forced() : []),
    accept(token) {
      if (isOver) return matcher.accept(token);
      tail = (tail + (token < tokenizer.vocabSize ? decoder.push(token) : '')).slice(-2 * thoughtEnd.length - TAIL);
      isOver = tail.includes(thoughtEnd);
    },
  };
}
