/**
 * A picture's steps: its tower in parts, then rows of the decoder, so that other answers go on between them. What a step of the tower
 * takes is told by its multiply-adds, and how many of them take how long by the parts before.
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
/** What a measurement counts for, beside the one after it. */
const KEPT = 0.5;
/** Of a measurement: shorter parts are a message to the device and back, and count together. */
const MEASURED_MS = 5;

interface SeenPicture {
  readonly name: string;
  /** Of the graph's steps. */
  done: number;
  /** Let go of where all are done: it holds the picture. */
  tower?: { readonly run: GraphRun; readonly work: readonly number[] } | undefined;
}

const nameOf = ({ picture: { key, rows, columns } }: PlacedPicture) => `${rows}x${columns} ${key}`;

export function createPictureRunner({ tower, graph, run }: PictureRunnerOptions): PictureRunner {
  const steps = graph.nodes.length;
  const pace = createTowerPace();
  let current: SeenPicture | undefined;
  const open = (placed: PlacedPicture): SeenPicture => {
    const whole = towerRun(tower, placed.picture);
    const work = runMultiplyAdds(graph, sizesOf(graph.derivedDims, whole.dims));
    return { name: nameOf(placed), done: 0, tower: { run: whole, work } };
  };
  return {
    async look(placed, { isBeside, signal }) {
      if (current?.name !== nameOf(placed)) current = open(placed);
      const seen = current;
      if (seen.tower === undefined) return true;
      const { run: whole, work } = seen.tower;
      const from = seen.done;
      const part = pace.next(work, { from, wantedMs: isBeside ? BESIDE_MS : ALONE_MS });
      const startMs = performance.now();
      // Where it fails, what it has done is not known.
      current = undefined;
      await run([{ ...whole, part: { from, to: part.to, of: steps } }], signal);
      current = seen;
      pace.took(part, { ms: performance.now() - startMs, isFirst: from === 0, isLast: part.to === steps });
      seen.done = part.to;
      if (seen.done < steps) return false;
      seen.tower = undefined;
      return !isBeside;
    },
    async run({ picture, start, shift }, rows, signal) {
      await run(rows.map(({ step: { tokens, pages, slots, start: at } }) =>
        seenRun(tower, { picture, from: at - start, shift, sequence: { rows: tokens.length, start: at, pages, slots } })), signal);
    },
  };
}

interface TowerPart {
  readonly to: number;
  /** Multiply-adds that it may have, and that it has. */
  readonly most: number;
  readonly work: number;
}

interface TowerPace {
  /** At least a step of those whose multiply-adds these are, and then as many as the time allows. */
  next(work: readonly number[], options: { readonly from: number; readonly wantedMs: number }): TowerPart;
  took(part: TowerPart, options: { readonly ms: number; readonly isFirst: boolean; readonly isLast: boolean }): void;
}

/** How much of a tower takes so long, by the parts before. A part has at most twice as much as the one before might have. */
function createTowerPace(): TowerPace {
  /** What is known, and what is too short to be. */
  const known = { work: 0, ms: 0 };
  const short = { work: 0, ms: 0 };
  let most = FIRST_WORK;
  return {
    next(work, { from, wantedMs }) {
      const allowed = known.ms === 0 ? most : Math.min(most, (known.work / known.ms) * wantedMs);
      let to = from + 1;
      let sum = work[from] as number;
      while (to < work.length && sum + (work[to] as number) <= allowed) sum += work[to++] as number;
      return { to, most: allowed, work: sum };
    },
    took(part, { ms, isFirst, isLast }) {
      // The first part brings the patches to the device, which others do not.
      if (!isFirst || isLast) {
        short.work += part.work;
        short.ms += ms;
      }
      if (short.ms >= MEASURED_MS && short.work > 0) {
        known.work = known.work * KEPT + short.work;
        known.ms = known.ms * KEPT + short.ms;
        Object.assign(short, { work: 0, ms: 0 });
      }
      // A part that the end cut says nothing of a larger one; nor may the first be doubled that took long.
      if (!isLast) most = Math.max(FIRST_WORK, part.most * (known.ms === 0 && ms > BESIDE_MS / 2 ? 1 : 2));
    },
  };
}
