/**
 * Tokens without the host in the loop: each step's token is sampled on the GPU and read by the next step there. Several steps go in one
 * submit, and the next submit is encoded while one runs; the host only reads which tokens they were.
 */
import type { SequenceStep } from '../../graph/decoder-steps.ts';
import type { DecodeRequest, DecodeRun, StatePlace } from '../../graph/executor.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import type { StepCounts, StepMode } from '../plan/kernel-use.ts';
import { encodeDispatches } from './bound-plan.ts';
import type { RunnablePlan } from './program-parts.ts';
import type { ReadBack } from './read-back.ts';
import type { TokenSampler } from './token-sampler.ts';

/** What a run needs of its program. */
export interface DecodeProgram {
  readonly gpu: GpuDevice;
  readonly one: RunnablePlan;
  /** Sizes of a step of `one`. */
  readonly oneRow: StepCounts['sizes'];
  readonly sampler: TokenSampler;
  readonly stepsPerSubmit: number;
  readonly readBack: ReadBack;
  /** Where the next submit, which ends at position `end`, finds the state, once that is there; `rows` are those of its first run. */
  placeUpTo(end: number, rows: number): Promise<StatePlace>;
  checkOpen(): void;
  /** How a single row comes that attends to so many keys. */
  modeOf(keys: number): StepMode;
  /** Encodes the step that the first token is sampled after. */
  encodeFirst(encoder: GPUCommandEncoder, sequence: SequenceStep): StepCounts;
  /** Writes where `one` goes on from: the sampler moves it on to the token that it chooses. */
  placeAt(row: { readonly token: number; readonly position: number; readonly place: StatePlace }): void;
}

/** Submits that are under way while the oldest is waited for: one runs, one waits behind it. */
const DEPTH = 2;
/** What is read back together should take about this long: 80 updates a second, and as soon cancelled. */
const SUBMIT_MS = 12;
/** Steps of one command buffer. More are slower to encode (their memory is new each time), and the GPU can begin with fewer. */
const STEPS_PER_COMMANDS = 4;

interface Submitted {
  readonly count: number;
  readonly submittedAt: number;
  readonly results: Promise<{ readonly buffers: readonly ArrayBuffer[]; readonly arrivedAt: number }>;
}

interface Loop {
  readonly program: DecodeProgram;
  readonly request: DecodeRequest;
  readonly underWay: Submitted[];
  /** Tokens whose sampling has been submitted. */
  submitted: number;
  /** Pages that the step's table on the GPU holds. */
  pages: number;
  /** Steps of the next submit. */
  steps: number;
  lastArrival: number | undefined;
  isClosed: boolean;
}

export function createDecodeRun(program: DecodeProgram, request: DecodeRequest): DecodeRun {
  const loop: Loop = { program, request, underWay: [], submitted: 0, pages: 0, steps: 1, lastArrival: undefined, isClosed: false };
  return {
    async next() {
      program.checkOpen();
      if (loop.isClosed) throw new Error('decode: this run was closed, or another one began');
      await fill(loop);
      const oldest = loop.underWay.shift();
      return oldest === undefined ? [] : arrive(loop, oldest);
    },
    close() {
      loop.isClosed = true;
      // What is under way runs to its end, and its staging buffers become free again; nobody wants what they hold.
      loop.underWay.length = 0;
    },
  };
}

/** Submits until enough is under way. */
async function fill(loop: Loop): Promise<void> {
  const { program, request } = loop;
  while (!loop.isClosed && loop.underWay.length < DEPTH && loop.submitted < request.limit) {
    const count = loop.submitted === 0 ? 1 : Math.min(loop.steps, request.limit - loop.submitted);
    // The token sampled last has its state computed by the step after it.
    const end = request.start + request.tokens.length + Math.max(0, loop.submitted + count - 1);
    const place = await program.placeUpTo(end, loop.submitted === 0 ? request.tokens.length : 1);
    if (loop.isClosed) return;
    loop.underWay.push(loop.submitted === 0 ? submitFirst(loop, place) : submitSteps(loop, count, place));
    loop.submitted += count;
  }
}

function submitFirst(loop: Loop, place: StatePlace): Submitted {
  const { program, request } = loop;
  const { gpu, sampler } = program;
  const { tokens, start } = request;
  sampler.begin(request.sampling, request.history);
  const encoder = gpu.device.createCommandEncoder();
  const counts = program.encodeFirst(encoder, { tokens, start, ...place, outputs: [tokens.length - 1] });
  program.placeAt({ token: tokens[tokens.length - 1] as number, position: start + tokens.length - 1, place });
  loop.pages = pagesIn(place);
  const pass = encoder.beginComputePass();
  encodeDispatches(pass, sampler.dispatches(), counts);
  pass.end();
  return submit(loop, encoder, 1);
}

/** Page numbers of the longest table. */
function pagesIn({ pages }: StatePlace): number {
  return Math.max(0, ...pages.map(({ length }) => length));
}

function submitSteps(loop: Loop, count: number, place: StatePlace): Submitted {
  const { program, request } = loop;
  const { gpu, sampler, one } = program;
  if (place.slots !== undefined || pagesIn(place) > loop.pages) one.inputs.writePlace(place, loop.pages);
  loop.pages = Math.max(loop.pages, pagesIn(place));
  const sampling = sampler.dispatches();
  for (let done = 0; ; ) {
    const encoder = gpu.device.createCommandEncoder();
    let pass = encoder.beginComputePass();
    const most = Math.min(count, done + STEPS_PER_COMMANDS);
    for (; done < most; done++) {
      if (done === 1 && place.slots !== undefined) {
        pass.end();
        one.inputs.keepSlot(encoder);
        pass = encoder.beginComputePass();
      }
      const keys = request.start + request.tokens.length + loop.submitted + done;
      const counts = { sizes: program.oneRow, tiles: 0, keys };
      encodeDispatches(pass, one.bound.dispatches(program.modeOf(keys)), counts);
      encodeDispatches(pass, sampling, counts);
    }
    pass.end();
    if (done === count) return submit(loop, encoder, count);
    gpu.queue.submit([encoder.finish()]);
  }
}

function submit({ program }: Loop, encoder: GPUCommandEncoder, count: number): Submitted {
  const { gpu, sampler, readBack } = program;
  const pending = readBack.copy(encoder, sampler.results);
  gpu.queue.submit([encoder.finish()]);
  const submittedAt = performance.now();
  // Mapping is asked for at once, so that it is under way when somebody waits for it.
  const results = pending.read().then((buffers) => ({ buffers, arrivedAt: performance.now() }));
  results.catch(() => {});
  return { count, submittedAt, results };
}

async function arrive(loop: Loop, { count, submittedAt, results }: Submitted): Promise<readonly number[]> {
  const { sampler, stepsPerSubmit } = loop.program;
  const { buffers, arrivedAt } = await results;
  // What this submit took, the wait for the one before left out, tells how many steps the next may have. The first holds the prefill.
  if (loop.lastArrival !== undefined) {
    const stepMs = (arrivedAt - Math.max(submittedAt, loop.lastArrival)) / count;
    loop.steps = Math.max(1, Math.min(Math.floor(SUBMIT_MS / Math.max(stepMs, 0.01)), loop.steps * 2, stepsPerSubmit));
  }
  loop.lastArrival = arrivedAt;
  return sampler.tokensOf(buffers, count);
}
