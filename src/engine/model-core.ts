/** What all calls on one loaded model share: the program, its pages, the scheduler, and room for sampling. */
import { decoderSteps, encoderStates } from '../graph/decoder-steps.ts';
import type { SequenceStep, StepBatch, StepResult } from '../graph/decoder-steps.ts';
import type { KvLayout, Program, WeightSource } from '../graph/executor.ts';
import { attendsToMemory, sequenceDim } from '../graph/run-check.ts';
import { graphOf, textGraphOf } from '../graph/model-graphs.ts';
import { stateGroups } from '../graph/state.ts';
import { mostPages, mostSlots } from '../graph/state-sizes.ts';
import { SEEING } from '../models/vision.ts';
import type { VisionTower } from '../models/vision.ts';
import { InputError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { untilAborted } from '../tensor/until-aborted.ts';
import { resolveCallLimits } from './admission.ts';
import type { ResolvedLimits } from './admission.ts';
import { createCandidates } from './candidates.ts';
import type { Candidates } from './candidates.ts';
import { OpenProgram } from './open-program.ts';
import { createPictureRunner } from './picture-runner.ts';
import type { PictureRunner } from './picture-runner.ts';
import { createPictures } from './pictures.ts';
import type { Pictures } from './pictures.ts';
import { createPrefillPace } from './prefill-pace.ts';
import type { PrefillPace } from './prefill-pace.ts';
import { createScheduler } from './scheduler.ts';
import type { Scheduler } from './scheduler.ts';
import { spareMemoryOf } from './spare-memory.ts';
import { createStatePool } from './state-pool.ts';
import type { StatePool } from './sequence-state.ts';
import { createTableFinder } from './table-finder.ts';
import type { TableFinder } from './table-finder.ts';

export interface ModelCore {
  readonly vocabSize: number;
  readonly contextLength: number;
  /** The most that the model was made for. */
  readonly modelContextLength: number;
  /** Most tokens of one step. */
  readonly maxRows: number;
  /** Most tokens of one step that keeps hidden states. */
  readonly maxTapRows: number;
  /** False: rows of a step see those after them, so that a prompt must be one step, and its state serves no longer prompt. */
  readonly causal: boolean;
  /** How many tokens of a long prompt are one step. */
  readonly pace: PrefillPace;
  readonly state: StatePool;
  readonly scheduler: Scheduler;
  readonly candidates: Candidates;
  /** As the program's chooser. */
  readonly followsGrammars: boolean;
  /** Finds the tables that such a program follows. */
  readonly tables: TableFinder;
  readonly choosesLikeliestOnly: boolean;
  /** Of a model that sees. */
  readonly pictures: Pictures | undefined;
  /** Most pages of a group that the sequences of one step may have together. */
  readonly stepPages: number;
  /** One step of the decoder. @throws the closing error once {@link ModelCore.close} was called. */
  run(batch: StepBatch): Promise<StepResult>;
  /** One step of the encoder: states [outputs, width], good until the next step. @throws as {@link run} */
  encode(sequences: readonly SequenceStep[]): Promise<Float32Array>;
  /** Resolves when no later step waits for what the program has not made yet. */
  prepare(signal: CancelSignal | undefined): Promise<void>;
  /** Throws the closing error after {@link ModelCore.close}. */
  checkOpen(): void;
  /** Refuses new steps, waits for the one that runs, and frees the program. Idempotent. */
  close(): Promise<void>;
}

export interface ModelCoreOptions {
  readonly program: Program;
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly modelContextLength: number;
  readonly maxRows: number;
  readonly causal: boolean;
  /** Steps of a long prompt have maxRows each, however long that takes. Default false. */
  readonly hasFixedPace?: boolean | undefined;
  readonly kv: KvLayout;
  /** Most snapshots of slots; default 0. */
  readonly snapshots?: number | undefined;
  /** What rows of each step's tokens are read of; undefined where the program has all that it needs. */
  readonly hostTable?: WeightSource | undefined;
  /** The tower of a model that sees. */
  readonly vision?: VisionTower | undefined;
  readonly limits?: ResolvedLimits | undefined;
  /** As {@link ModelOptions.spareMemory}. */
  readonly spareMemory?: (() => number) | undefined;
  /** Called once, when the program has been freed. */
  readonly release?: (() => Promise<void>) | undefined;
}

/** Sequences of a step that may have pages up to the whole context, at least: executors have tables for so many. */
const LONG_SEQUENCES = 64;

export function pagesFor(contextLength: number, pageTokens: number): number {
  return Math.ceil(contextLength / pageTokens);
}

/** @throws Error for a graph of texts that attends to a memory, whose pages and length the engine does not know */
export function createModelCore(options: ModelCoreOptions): ModelCore {
  const { program, vocabSize, contextLength, modelContextLength, maxRows, causal, kv, hostTable } = options;
  const { model } = program;
  const graph = textGraphOf(model);
  if (attendsToMemory(graph))
    throw new Error(`model ${model.name}: its decoder attends to a memory; its steps are runs of its program, not of the engine`);
  const open = new OpenProgram(program, options.release);
  const { run, encode } = stepsOf(options, open);
  const pages = mostPages(model, kv, maxRows);
  const state = openStates(options, pages);
  const pace = createPrefillPace({ maxRows, isFixed: options.hasFixedPace === true });
  // A program that runs ahead would need the rows of tokens that it has not chosen yet.
  const chooser = model.decoder === undefined || hostTable !== undefined ? undefined : program.chooser && open.chooser(program.chooser);
  const pictures = options.vision && createPictures(options.vision);
  const scheduler = createScheduler({
    pictures: pictures && pictureSteps(pictures, program, open), maxRows, stepPages: kv.maxPages * Math.min(maxRows, LONG_SEQUENCES),
    causal, pace, run, chooser, makeRoom: (refusal) => state.makeRoom(refusal),
    ...(options.limits ?? resolveCallLimits({})),
  });
  return {
    vocabSize, contextLength, modelContextLength, maxRows, causal, pace, state, scheduler, pictures, run, encode,
    maxTapRows: Math.min(maxRows, program.limits(graph.name, true)[sequenceDim(graph) ?? ''] ?? maxRows),
    candidates: createCandidates(vocabSize),
    followsGrammars: chooser?.followsGrammars === true,
    tables: createTableFinder(),
    choosesLikeliestOnly: chooser?.choosesLikeliestOnly === true,
    stepPages: Math.min(...pages, kv.maxPages),
    checkOpen: () => open.check(),
    async prepare(signal) {
      open.check();
      await untilAborted(Promise.resolve(program.prepare?.()), signal);
      open.check();
    },
    close() {
      scheduler.close(open.refuse(new InputError('The model was disposed: load it again, or dispose it only after its last call.')));
      return open.free();
    },
  };
}

/** The steps of a model of texts, of its decoder and its encoder. */
function stepsOf({ program, hostTable }: ModelCoreOptions, open: OpenProgram): Pick<ModelCore, 'run' | 'encode'> {
  const { name, decoder, encoder } = program.model;
  const steps = decoder && decoderSteps(program, hostTable);
  return {
    async run(batch) {
      open.check();
      if (steps === undefined) throw new Error(`model ${name}: it has no decoder to run`);
      return open.track(steps.run(batch));
    },
    async encode(sequences) {
      open.check();
      if (encoder === undefined) throw new Error(`model ${name}: it has no encoder to run`);
      return open.track(encoderStates(program, encoder, sequences));
    },
  };
}

/** @param pages most pages, by group */
function openStates({ program, maxRows, kv, snapshots = 0, spareMemory }: ModelCoreOptions, pages: readonly number[]): StatePool {
  const { model } = program;
  return createStatePool({
    program,
    spare: spareMemory && spareMemoryOf(model, kv, spareMemory),
    groups: stateGroups(model.states),
    pageTokens: kv.pageTokens,
    maxPages: kv.maxPages,
    mostPages: pages,
    mostSlots: mostSlots(model, snapshots, kv),
    soonPages: mostPages(model, { ...kv, sequences: 1 }, maxRows),
    mostSnapshots: snapshots,
  });
}

function pictureSteps({ tower }: Pictures, program: Program, open: OpenProgram): PictureRunner {
  return createPictureRunner({
    tower,
    graph: graphOf(program.model, SEEING.tower.graph),
    run(runs, signal) {
      open.check();
      return open.track(program.run(runs, signal));
    },
  });
}
