/** Which rows go into a step: one of each sequence that goes on with its answer, and chunks of prompts in what room they leave. */
import type { ChoosingRows, ChosenTokens } from '../graph/executor.ts';
import type { SequenceStep } from '../graph/decoder-steps.ts';
import { compareRanks } from './admission.ts';
import { pictureAt, shiftAt, textEnd } from './pictures.ts';
import { FEWEST_ROWS } from './prefill-pace.ts';
import type { PrefillPace } from './prefill-pace.ts';
import type { Sequence, StagedRows } from './sequence.ts';
import { MemoryHeld } from './sequence-state.ts';
import { takesMasks } from './subscription.ts';
import type { Advance, Ahead, Work } from './subscription.ts';

export interface BatchLimits {
  /** Most rows of a step. */
  readonly maxRows: number;
  /** Most pages of a group that the sequences of a step may have together. */
  readonly stepPages: number;
  /** False: a prompt must be one step. */
  readonly causal: boolean;
  readonly pace: PrefillPace;
}

/** Of a program that chooses tokens. */
export interface ChoosingLimits {
  /** Sequences of a submit that want tokens or logits. */
  readonly mostSequences: number;
  /** Steps of a submit in which nothing stands against several. */
  readonly steps: number;
}

export interface StagedWork {
  readonly work: Work;
  readonly rows: StagedRows;
  /** Position after the last row. */
  readonly end: number;
  readonly wanted: ChoosingRows['wanted'];
  /** As {@link ChoosingRows.shift}. */
  readonly shift: number;
  /** It goes on with its answer; else it is a chunk of a prompt. */
  readonly goesOn: boolean;
}

export interface Batch {
  readonly works: readonly StagedWork[];
  /** How many steps of one row a sequence; 1 where there are other rows. */
  readonly steps: number;
  /** Those that can never run as they ask. */
  readonly failed: readonly { readonly work: Work; readonly error: unknown }[];
  /** Those whose memory others hold. */
  readonly held: readonly Work[];
}

/** What is known of a work's ids: the program may have chosen more of them than its reader has taken. */
function idsOf({ member: { ahead }, advance }: Work): ArrayLike<number> {
  return ahead?.ids ?? (advance as Advance<unknown>).ids;
}

/** How many known ids have no state, and none under way. */
function left(work: Work): number {
  return idsOf(work).length - (work.member.sequence as Sequence).staged;
}

/** Whether its next row is one of a picture. */
export function isAtPicture({ advance, member: { sequence } }: Work): boolean {
  return sequence !== undefined && pictureAt(advance?.pictures, sequence.staged) !== undefined;
}

/** Whether its reader has to see each token before anything can be computed of the next one. */
export function isSeenFirst({ advance }: Pick<Work, 'advance'>): boolean {
  return advance?.choose === undefined;
}

/** Whether each token has to come before the next one can be chosen. */
function isOneStep(work: Pick<Work, 'advance'>): boolean {
  return isSeenFirst(work) || (work.advance !== undefined && takesMasks(work.advance));
}

function leftToChoose({ asked, limit }: Ahead): number {
  return limit - asked;
}

/** Whether there is anything to compute for it: known ids, or the token after one that is being chosen. */
function canGoOn(work: Work): boolean {
  if (isAtPicture(work)) return false;
  if (left(work) > 0) return true;
  const { ahead } = work.member;
  return ahead !== undefined && !isSeenFirst(work) && leftToChoose(ahead) > 0;
}

/** Where the next step of a prompt ends, given room for so many rows; where it is now, for none. */
function chunkEnd(work: Work, room: number, { pace, causal }: BatchLimits, isBeside: boolean): number {
  const { promptTokens, keepAt = [] } = work.advance as Advance<unknown>;
  const { staged } = work.member.sequence as Sequence;
  // Each token of the answer saw none after it.
  if (!causal) return staged < promptTokens ? (promptTokens - staged <= room ? promptTokens : staged) : staged + 1;
  const end = textEnd(work.advance?.pictures, staged, keepAt.find((position) => position > staged) ?? idsOf(work).length);
  return staged + pace.next(end - staged, { room, isBeside });
}

interface Filling {
  rows: number;
  pages: number;
  /** Sequences that may yet want something of this step. */
  wanting: number;
  readonly works: StagedWork[];
  readonly failed: { readonly work: Work; readonly error: unknown }[];
  readonly held: Work[];
}

/** Stages one sequence's next rows up to `end`, where they fit. */
function stage(filling: Filling, work: Work, end: number, goesOn: boolean): void {
  const { member, advance } = work as Work & { readonly advance: Advance<unknown> };
  const sequence = member.sequence as Sequence;
  const ids = idsOf(work);
  const isLast = end >= ids.length;
  if (end <= sequence.staged || (isLast && filling.wanting === 0)) return;
  try {
    const shift = shiftAt(advance.pictures, sequence.staged);
    const rows = sequence.stage(ids, { end, outputs: isLast ? [end - 1] : [], settled: isLast ? advance.settled?.() : undefined });
    const pages = longestTable(rows.step);
    if (pages > filling.pages && filling.works.length > 0) return rows.withdraw();
    filling.rows -= Math.max(1, rows.step.tokens.length);
    filling.pages -= pages;
    if (isLast) filling.wanting--;
    filling.works.push({ work, rows, end, goesOn, shift, wanted: !isLast ? 'state' : advance.choose === undefined ? 'logits' : 'token' });
  } catch (error) {
    if (error instanceof MemoryHeld) filling.held.push(work);
    else filling.failed.push({ work, error });
  }
}

function longestTable({ pages }: SequenceStep): number {
  return Math.max(0, ...pages.map(({ length }) => length));
}

/** Who waited longest goes first, of those the one of the first rank: then it may also have the memory of others. */
function inTurn(a: Work, b: Work): number {
  return a.member.lastStep - b.member.lastStep || compareRanks(a.member.rank, b.member.rank);
}

/** Each reader's token, where it waits for one, else as many as all may have and the pace allows. */
function stepsOf(singles: readonly Work[], { steps }: ChoosingLimits): number {
  if (singles.some((work) => work.member.ahead === undefined || isOneStep(work))) return 1;
  return Math.min(steps, ...singles.map(({ member }) => leftToChoose(member.ahead as Ahead)));
}

/** @param choosing undefined for a program that makes logits only */
export function formBatch(works: readonly Work[], limits: BatchLimits, choosing?: ChoosingLimits): Batch {
  const able = works.filter(canGoOn);
  const single = able.filter((work) => left(work) <= 1).sort(inTurn);
  const prompts = able.filter((work) => left(work) > 1).sort((a, b) => compareRanks(a.member.rank, b.member.rank));
  // However many go on, a prompt has room to get on too.
  const kept = prompts.length === 0 ? 0 : Math.min(FEWEST_ROWS, limits.maxRows >> 1);
  const filling: Filling = {
    rows: limits.maxRows - kept, pages: limits.stepPages, wanting: choosing?.mostSequences ?? Infinity, works: [], failed: [], held: [],
  };
  const steps = choosing === undefined || prompts.length > 0 ? 1 : stepsOf(single, choosing);
  for (const work of single) {
    // One that goes before it may have taken its state just now: then it has a prompt to read.
    if (filling.rows > 0 && left(work) <= 1) stage(filling, work, (work.member.sequence as Sequence).staged + steps, true);
  }
  filling.rows += kept;
  const isBeside = filling.works.length > 0;
  let chunks = 0;
  for (const work of prompts) {
    // Few rows of a long prompt are left for a step of their own, unless nobody else has a chunk.
    if (chunks > 0 && filling.rows < Math.min(FEWEST_ROWS, left(work))) continue;
    const before = filling.works.length;
    stage(filling, work, chunkEnd(work, filling.rows, limits, isBeside), false);
    chunks += filling.works.length - before;
  }
  return { ...filling, steps };
}

/** How many steps of a submit have run: a program may leave out those behind the last answer's end. */
export function stepsMade({ works, steps }: Pick<Batch, 'works' | 'steps'>, chosen: readonly ChosenTokens[]): number {
  if (works.some(({ wanted }, i) => wanted !== 'token' || chosen[i]?.logits !== undefined)) return steps;
  return Math.max(...chosen.map(({ tokens, error }) => tokens.length + Number(error !== undefined)));
}

/** How many rows of a sequence have run where not all of them were needed; undefined: all. */
export function rowsMade({ wanted }: StagedWork, steps: number, { tokens, logits }: ChosenTokens): number | undefined {
  return wanted === 'token' && logits === undefined && tokens.length < steps ? tokens.length : undefined;
}
