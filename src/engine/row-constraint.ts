/** Which tokens may follow in one answer, by all that was asked for: its format, texts that it must not hold, the caller's own word. */
import type { TokenGrammar } from '../tensor/byte-table.ts';
import { InputError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { createBannedTexts } from '../text/banned-texts.ts';
import type { DecodingSettings } from './decoding-settings.ts';
import type { TextSide } from './prompt.ts';
import type { RowConstraint } from './subscription.ts';
import type { TableFinder } from './table-finder.ts';

export interface ConstrainedJob {
  /** `followsGrammars`: as the program's chooser. */
  readonly core: { readonly vocabSize: number; readonly followsGrammars: boolean; readonly tables: TableFinder };
  readonly text: TextSide;
  readonly settings: DecodingSettings;
  readonly maskAfter?: ((answer: readonly number[]) => Uint32Array) | undefined;
  /** What ends the thought that the answer begins inside of: the format begins behind it. Undefined: at once. */
  readonly thoughtEnd?: string | undefined;
}

/** Tokens that have to follow which are worth a step of rows: one would take a step anyway. */
const FEWEST_FORCED = 2;

/** Whether nothing but the format says which tokens may follow, and each is chosen without a report of its probability. */
function isAlone({ settings: { bannedTexts, grammar, topLogprobs }, maskAfter }: ConstrainedJob): boolean {
  return grammar !== undefined && maskAfter === undefined && bannedTexts.length === 0 && topLogprobs === undefined;
}

/** Resolves when it is known whether the device can follow the format of a job's answer by itself, where that is asked. */
export async function untilFollowed(job: ConstrainedJob, signal: CancelSignal | undefined): Promise<void> {
  const { core, settings: { grammar }, thoughtEnd } = job;
  if (grammar !== undefined && core.followsGrammars && isAlone(job)) await core.tables.find(grammar.search({ thoughtEnd }), signal);
}

/** For one answer, of which these tokens are there; undefined where any token may follow. */
export function rowConstraint(job: ConstrainedJob, answered: readonly number[]): RowConstraint | undefined {
  const { core, text, settings: { bannedTexts, grammar }, maskAfter, thoughtEnd } = job;
  const { tokenizer } = text;
  const answer: number[] = [];
  const matcher = grammar?.start({ thoughtEnd });
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
  const followed = matcher !== undefined && isAlone(job) ? matcher : undefined;
  const onDevice = core.followsGrammars && followed?.onDevice() !== undefined;
  const take = (token: number) => {
    answer.push(token);
    matcher?.accept(token);
  };
  for (const token of answered) take(token);
  return {
    grammar: onDevice ? () => followed?.onDevice() as TokenGrammar : undefined,
    mask: () => masks.map((mask) => mask()).reduce(bothMasks),
    accept(token) {
      take(token);
      const forced = onDevice ? [] : (followed?.forced() ?? []);
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
