/** The same steps on the GPU executor and on the reference executor, side by side. */
import { vi } from 'vitest';
import type { DeviceProfile } from '../../src/gpu/profile/device-profile.ts';
import { PROFILES } from '../../src/gpu/profile/profiles.ts';
import { decoderSteps } from '../../src/graph/decoder-steps.ts';
import type { SequenceStep, StepBatch } from '../../src/graph/decoder-steps.ts';
import type { Program } from '../../src/graph/executor.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { createReferenceExecutor } from '../../src/reference/reference-executor.ts';
import { expectClose } from '../relative-error.ts';
import { syntheticGraph, syntheticRequest } from '../synthetic-graph.ts';
import type { SyntheticOptions, SyntheticShape } from '../synthetic-graph.ts';
import { ensureAllPages, inEveryGroup } from '../state-places.ts';
import { softwareExecutor } from './shared-device.ts';

const { software, generic } = PROFILES;

/** Keys are split soon, and tiles are small: SwiftShader compiles those several times as fast, and odd sizes end inside of them. */
const knobs: DeviceProfile['knobs'] = {
  ...software.knobs,
  gemm: {
    int8: { tileRows: 8, tileCols: 32, tileDepth: 32, rowsPerInvocation: 4 },
    f32: { tileRows: 8, tileCols: 32, tileDepth: 16, rowsPerInvocation: 4 },
  },
  attention: {
    ...software.knobs.attention,
    splitFrom: 14,
    splits: 3,
    splitGranule: 4,
    groupedFrom: 3,
    groupedSplits: 2,
    tileInvocations: 32,
    tileBytes: 8192,
    invocations: 32,
    splitInvocations: 16,
    unroll: 2,
  },
  blocks: { weights: 3000 },
};

/** The paths through the planner that the software adapter can run, by what picks them. */
export const TEST_PROFILES = {
  int8: { ...software, knobs },
  /** Apple's and Safari's arithmetic, a row an invocation. */
  float: { ...software, activations: 'f32', knobs },
  /** As Safari runs it: no subgroups, invocations meet in workgroup memory. */
  workgroup: { ...generic, knobs: { ...knobs, gemvFloat: generic.knobs.gemvFloat } },
  /** NVIDIA's texts for subgroups of this adapter's size. */
  subgroupInt8: { ...software, subgroupSize: 4, knobs: { ...knobs, gemvInt8: PROFILES.nvidia.knobs.gemvInt8 } },
  /** Apple's. */
  subgroupFloat: { ...software, subgroupSize: 4, activations: 'f32', knobs: { ...knobs, gemvFloat: PROFILES['apple-m4'].knobs.gemvFloat } },
} as const satisfies Record<string, DeviceProfile>;

export interface CheckedModel {
  readonly shape: SyntheticShape | Graph;
  readonly weights: Omit<SyntheticOptions, 'graph'>;
  readonly profile: DeviceProfile;
  readonly withoutRules?: readonly string[] | undefined;
  /** Largest error, as a share of the largest value. */
  readonly tolerance: number;
}

/** A model on both executors. */
export interface CheckedPair {
  readonly wanted: Program;
  readonly found: Program;
  readonly tolerance: number;
  dispose(): Promise<void>;
}

export async function loadPair({ shape, weights, profile, withoutRules, tolerance }: CheckedModel): Promise<CheckedPair> {
  const request = syntheticRequest({ ...weights, graph: 'nodes' in shape ? shape : syntheticGraph(shape) });
  const executor = await softwareExecutor({ profile, withoutRules });
  const reference = createReferenceExecutor({ activationRounding: profile.activations === 'int8' ? 'int8' : 'none', roundingBlock: 16 });
  const [wanted, found] = await Promise.all([reference.load(request), executor.load(request)]);
  return { wanted, found, tolerance, dispose: async () => void (await Promise.all([wanted.dispose(), found.dispose()])) };
}

export interface SequenceChoices {
  readonly start?: number;
  readonly pages?: readonly number[];
  /** Default: the last. */
  readonly outputs?: readonly number[];
  /** Sequences of different seeds have different tokens. */
  readonly seed?: number;
}

/** `length` tokens with a pattern, below 50. */
export function sequence(
  length: number,
  { start = 0, pages = [0, 1, 2, 3, 4, 5, 6, 7], outputs = [length - 1], seed = 0 }: SequenceChoices = {},
): SequenceStep {
  return { tokens: Array.from({ length }, (_, i) => (7 * (start + i) + 3 + seed) % 50), start, pages: inEveryGroup(pages), outputs };
}

/** Runs the batches on both, in order, after making the pages that they name. */
export async function compareRuns({ wanted, found, tolerance }: CheckedPair, batches: readonly StepBatch[]): Promise<void> {
  for (const [i, batch] of batches.entries()) {
    const pages = Math.max(...batch.sequences.flatMap((each) => Array.from(each.pages[0] ?? []))) + 1;
    ensureAllPages(wanted, pages);
    ensureAllPages(found, pages);
    const results = { wanted: await decoderSteps(wanted).run(batch), found: await decoderSteps(found).run(batch) };
    for (const [name, values] of results.wanted.taps) {
      expectClose(`batch ${i} ${name}`, { wanted: values, found: results.found.taps.get(name) as Float32Array }, tolerance);
    }
    expectClose(`batch ${i} logits`, { wanted: results.wanted.logits, found: results.found.logits }, tolerance);
  }
}

/**
 * How many steps a submit has hangs on what the last one took. With a clock that stands still it gets as many as the profile lets it, with
 * one that races a single one. Undone by `vi.restoreAllMocks()`.
 */
export function setClock(pace: 'still' | 'racing'): void {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (pace === 'still' ? 0 : (now += 1000)));
}
