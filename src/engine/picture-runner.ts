/**
 * A picture's steps: its tower in parts, then rows of the decoder, so that other answers go on between them. The tower's work is told by
 * its multiply-adds, and how much of it takes how long by the parts before.
 */
import type { GraphRun, RunResults } from '../graph/executor.ts';
import { sizesOf } from '../graph/dims.ts';
import type { Graph } from '../graph/graph.ts';
import { runMultiplyAdds } from '../graph/multiply-adds.ts';
import { seenRun, towerRun } from '../models/vision.ts';
import type { VisionTower } from '../models/vision.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { PlacedPicture } from './pictures.ts';
import type { StagedRows } from './sequence.ts';

/** Works at pictures, one at a time. It stops at the signal, as far as the program can, and rejects with its reason then. */
export interface PictureRunner {
  /** Does a part of a picture's tower, or nothing where all of it is done; true: rows may be made of it in the same step. */
  look(picture: PlacedPicture, options: LookOptions): Promise<boolean>;
  /** Makes the state of some of its rows. The tower is done. */
  run(picture: PlacedPicture, rows: readonly StagedRows[], signal?: CancelSignal): Promise<void>;
}

export interface LookOptions {
  /** Answers go on: a part is to be short. */
  readonly isBeside: boolean;
  readonly signal?: CancelSignal | undefined;
}

export interface PictureRunnerOptions {
  readonly tower: VisionTower;
  /** The tower's. */
  readonly graph: Graph;
  run(runs: readonly GraphRun[], signal?: CancelSignal): Promise<RunResults>;
}

/** Of a part beside answers, whose own step is as much of the 100 ms that none of them waits longer than. */
const BESIDE_MS = 50;
/** Of others: a call that comes waits for it. */
const ALONE_MS = 500;
/** Of the first part, before the speed is known: 10 ms of a slow core. */
const FIRST_WORK = 1e8;
/** What a measurement counts for, beside the one after it: steps of a part may be lighter than most. */
const KEPT = 0.5;

interface SeenPicture {
  readonly name: string;
  readonly run: GraphRun;
  readonly work: number;
  /** Of the graph's steps. */
  done: number;
}

const nameOf = ({ picture: { key, rows, columns } }: PlacedPicture) => `${rows}x${columns} ${key}`;

export function createPictureRunner({ tower, graph, run }: PictureRunnerOptions): PictureRunner {
  const steps = graph.nodes.length;
  /** Of the parts so far. */
  const taken = { work: 0, ms: 0 };
  let current: SeenPicture | undefined;
  const open = (placed: PlacedPicture): SeenPicture => {
    const whole = towerRun(tower, placed.picture);
    return { name: nameOf(placed), run: whole, work: runMultiplyAdds(graph, sizesOf(graph.derivedDims, whole.dims)), done: 0 };
  };
  const partEnd = ({ work, done }: SeenPicture, isBeside: boolean): number => {
    const wanted = taken.ms === 0 ? FIRST_WORK : (taken.work / taken.ms) * (isBeside ? BESIDE_MS : ALONE_MS);
    return Math.min(steps, done + Math.max(1, Math.floor((wanted / work) * steps)));
  };
  return {
    async look(placed, { isBeside, signal }) {
      if (current?.name !== nameOf(placed)) current = open(placed);
      const seen = current;
      if (seen.done === steps) return true;
      const to = partEnd(seen, isBeside);
      const startMs = performance.now();
      // Where it fails, what it has done is not known.
      current = undefined;
      await run([{ ...seen.run, part: { from: seen.done, to, of: steps } }], signal);
      current = seen;
      // The first part brings the patches to the device, which others do not.
      if (seen.done > 0 || to === steps) {
        taken.work = taken.work * KEPT + (seen.work * (to - seen.done)) / steps;
        taken.ms = taken.ms * KEPT + performance.now() - startMs;
      }
      seen.done = to;
      return !isBeside && seen.done === steps;
    },
    async run({ picture, start, shift }, rows, signal) {
      await run(rows.map(({ step: { tokens, pages, slots, start: at } }) =>
        seenRun(tower, { picture, from: at - start, shift, sequence: { rows: tokens.length, start: at, pages, slots } })), signal);
    },
  };
}
