/** Which rows go into a step: one of each sequence that goes on with its answer, and chunks of prompts in what room they leave. */
import type { SequenceStep } from '../graph/decoder-steps.ts';
import { compareRanks } from './admission.ts';
import { FEWEST_ROWS } from './prefill-pace.ts';
import type { PrefillPace } from './prefill-pace.ts';
import type { Sequence, StagedRows } from './sequence.ts';
import { MemoryHeld } from './sequence-state.ts';
import type { Advance, Work } from './subscription.ts';

export interface BatchLimits {
  /** Most rows of a step. */
  readonly maxRows: number;
  /** Most pages of a group that the sequences of a step may have together. */
  readonly stepPages: number;
  /** False: a prompt must be one step. */
  readonly causal: boolean;
  readonly pace: PrefillPace;
}

export interface StagedWork {
  readonly work: Work;
  readonly rows: StagedRows;
  /** Position after the last row. */
  readonly end: number;
  /** All ids are done then: their logits are wanted. */
  readonly isLast: boolean;
}

export interface Batch {
  readonly works: readonly StagedWork[];
  /** Those that can never run as they ask. */
  readonly failed: readonly { readonly work: Work; readonly error: unknown }[];
}

interface Asked {
  readonly advance: Pick<Advance<unknown>, 'ids' | 'promptTokens' | 'keepAt'>;
  readonly sequence: Pick<Sequence, 'length'>;
}

/** Where the next step of a sequence ends, given room for so many rows; where it is now, for none. */
function stepEnd({ advance, sequence: { length } }: Asked, room: number, { pace, causal }: BatchLimits, isBeside: boolean): number {
  const { ids, promptTokens, keepAt = [] } = advance;
  // Each token of the answer saw none after it.
  if (!causal) return length < promptTokens ? (promptTokens - length <= room ? promptTokens : length) : length + 1;
  return length + pace.next((keepAt.find((position) => position > length) ?? ids.length) - length, { room, isBeside });
}

/** Whether one more step makes the logits after the ids, with no other sequence in it. */
export function needsOneRow(asked: Asked, limits: BatchLimits): boolean {
  return stepEnd(asked, limits.maxRows, limits, false) >= asked.advance.ids.length;
}

interface Filling {
  rows: number;
  pages: number;
  readonly works: StagedWork[];
  readonly failed: { readonly work: Work; readonly error: unknown }[];
}

/** Stages one sequence's next rows, where they fit. */
function stage(filling: Filling, work: Work, limits: BatchLimits, isBeside: boolean): void {
  const [advance, sequence] = [work.advance as Advance<unknown>, work.member.sequence as Sequence];
  try {
    const end = stepEnd({ advance, sequence }, filling.rows, limits, isBeside);
    if (end <= sequence.length) return;
    const isLast = end >= advance.ids.length;
    const settled = isLast ? advance.settled?.() : undefined;
    const rows = sequence.stage(advance.ids, { end, outputs: isLast ? [end - 1] : [], settled });
    const pages = longestTable(rows.step);
    if (pages > filling.pages && filling.works.length > 0) return rows.withdraw();
    filling.rows -= rows.step.tokens.length;
    filling.pages -= pages;
    filling.works.push({ work, rows, end, isLast });
  } catch (error) {
    if (!(error instanceof MemoryHeld)) filling.failed.push({ work, error });
  }
}

function longestTable({ pages }: SequenceStep): number {
  return Math.max(0, ...pages.map(({ length }) => length));
}

/** Who waited longest goes first, of those the one of the first rank: then it may also have the memory of others. */
function inTurn(a: Work, b: Work): number {
  return a.member.lastStep - b.member.lastStep || compareRanks(a.member.rank, b.member.rank);
}

export function formBatch(works: readonly Work[], limits: BatchLimits): Batch {
  const left = ({ advance, member }: Work) => (advance?.ids.length ?? 0) - (member.sequence?.length ?? 0);
  const single = works.filter((work) => left(work) === 1).sort(inTurn);
  const prompts = works.filter((work) => left(work) !== 1).sort((a, b) => compareRanks(a.member.rank, b.member.rank));
  // However many go on, a prompt has room to get on too.
  const kept = prompts.length === 0 ? 0 : Math.min(FEWEST_ROWS, limits.maxRows >> 1);
  const filling: Filling = { rows: limits.maxRows - kept, pages: limits.stepPages, works: [], failed: [] };
  for (const work of single) if (filling.rows > 0) stage(filling, work, limits, false);
  filling.rows += kept;
  const isBeside = filling.works.length > 0;
  let chunks = 0;
  for (const work of prompts) {
    // Few rows of a long prompt are left for a step of their own, unless nobody else has a chunk.
    if (chunks > 0 && filling.rows < Math.min(FEWEST_ROWS, left(work))) continue;
    const before = filling.works.length;
    stage(filling, work, limits, isBeside);
    chunks += filling.works.length - before;
  }
  return filling;
}
