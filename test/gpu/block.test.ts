/**
 * Blocks of a small transformer (src/gpu/plan/block-rules.ts): a frame of LFM2-Audio by them, beside the same steps one by one, and beside
 * the reference.
 */
import { describe, expect, it } from 'vitest';
import type { DeviceProfile } from '../../src/gpu/profile/device-profile.ts';
import type { Executor, KvLayout } from '../../src/graph/executor.ts';
import { buildModel } from '../../src/graph/model-graphs.ts';
import type { ModelGraphs } from '../../src/graph/model-graphs.ts';
import { CODEBOOKS } from '../../src/models/lfm2-audio-config.ts';
import type { Lfm2AudioConfig, Lfm2AudioDepth } from '../../src/models/lfm2-audio-config.ts';
import { codeName, TALK, writeDepth } from '../../src/models/lfm2-audio-graphs.ts';
import { createReferenceExecutor } from '../../src/reference/reference-executor.ts';
import { randomSource } from '../../src/tensor/codec/random-weights.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';
import { depthRun } from '../lfm2-audio-golden.ts';
import { expectClose } from '../relative-error.ts';
import { syntheticRequest } from '../synthetic-graph.ts';
import { callsOf } from './calls-of.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

const DEPTH: Lfm2AudioDepth = { layers: 2, dim: 64, heads: 4, kvHeads: 2, headDim: 16, ffnDim: 96, rmsEps: 1e-5, theta: 1e6 };
const [DIM, VOCAB, VOICES] = [64, 49, 2];
const BLOCK_RULES = ['attention-block', 'gated-block', 'head-block', 'block-of-vectors'];

function frameModel(depth: Lfm2AudioDepth): ModelGraphs {
  return buildModel('frames', (m) => writeDepth(m, { dim: DIM, audioVocab: VOCAB, depth } as Lfm2AudioConfig), {});
}

interface Case {
  readonly profile: DeviceProfile;
  readonly type: WeightType;
  readonly kv?: Partial<KvLayout>;
  /** Of a workgroup, at most. */
  readonly weights?: number;
  readonly depth?: Partial<Lfm2AudioDepth>;
}

async function frames(executor: Executor, { type, kv, depth }: Case) {
  const request = syntheticRequest({ graph: frameModel({ ...DEPTH, ...depth }), typeOf: () => type, kv: { pageTokens: 16, ...kv } });
  const program = await executor.load({ ...request, sizes: { voices: VOICES } });
  try {
    program.ensurePages(0, VOICES);
    const random = randomSource(5);
    const hidden = Float32Array.from({ length: VOICES * DIM }, () => 2 * random() - 1);
    const chances = Float32Array.from({ length: 3 * CODEBOOKS }, (_, i) => [0.9, 7, (i + 0.5) / (3 * CODEBOOKS)][i % 3]!);
    const run = depthRun({ hidden, voices: VOICES, settings: Float32Array.from([...new Float32Array(3 * CODEBOOKS), ...chances]) });
    const logits = Array.from({ length: CODEBOOKS }, (_, k) => TALK.depth.logits(k));
    const [made] = await program.run([{ ...run, wanted: [...run.wanted, ...logits] }]);
    const calls = await callsOf(async () => void (await program.run([{ ...run, wanted: [codeName(7)] }])));
    const all = (names: readonly string[]) => names.flatMap((name) => [...made!.get(name)!]);
    return {
      codes: all(Array.from({ length: CODEBOOKS }, (_, k) => codeName(k))), logits: Float32Array.from(all(logits)),
      said: made!.get(TALK.depth.embeddings)!.slice(), plan: program.printPlan(), calls,
    };
  } finally {
    await program.dispose();
  }
}

const withBlocks = ({ profile, weights = 5000 }: Case): DeviceProfile => ({ ...profile, knobs: { ...profile.knobs, blocks: { weights } } });

const CASES: Readonly<Record<string, Case>> = {
  'floats of codes, keys and values of f16': { profile: TEST_PROFILES.float, type: 'q4_0', kv: { type: 'f16' } },
  'int8 with minimums': { profile: TEST_PROFILES.int8, type: 'q4_1', kv: { type: 'f16' } },
  // More values of x than invocations, and so many between the products that their weights are not read ahead.
  'int8, all of a layer in two workgroups': {
    profile: TEST_PROFILES.int8, type: 'q8_0', weights: 1e6, depth: { dim: 288, heads: 9, kvHeads: 1, headDim: 32, ffnDim: 160 },
  },
};

describe.each(Object.entries(CASES))('a frame of %s', (_, own) => {
  it('by blocks is that of single steps, and of the reference', async () => {
    const profile = withBlocks(own);
    const found = await frames(await softwareExecutor({ profile }), own);
    const apart = await frames(await softwareExecutor({ profile, withoutRules: BLOCK_RULES }), own);
    const layers = DEPTH.layers * CODEBOOKS;
    for (const [rule, count] of [['attention-block', layers], ['gated-block', layers], ['head-block', CODEBOOKS]] as const)
      expect(found.plan).toContain(`rule ${rule} x${count}`);
    expect(apart.plan).not.toContain('rule attention-block');
    const isRounded = profile.activations === 'int8';
    // A value that differs in its last bit may be rounded to the next code.
    expectClose('logits', { wanted: apart.logits, found: found.logits }, isRounded ? 5e-3 : 1e-5);
    expect(found.codes).toEqual(apart.codes);
    // For each code two blocks a layer in place of five products and attentions, a head, and a choice with the next code's row; the codes'
    // inputs before them, and the frame's embeddings behind.
    const byCode = 2 * DEPTH.layers + 2;
    const apartByCode = 5 * DEPTH.layers + (isRounded ? 3 : 2);
    const once = isRounded ? 4 : 3;
    const dispatches = [found, apart].map(({ calls }) => calls['dispatchWorkgroups']);
    expect(dispatches).toEqual([byCode, apartByCode].map((each) => each * CODEBOOKS + once));
    expectClose('embeddings', { wanted: apart.said, found: found.said }, 1e-6);
    const rounding = isRounded ? 'int8' : 'none';
    const reference = await frames(createReferenceExecutor({ activationRounding: rounding, roundingBlock: 16 }), own);
    expectClose('logits of the reference', { wanted: reference.logits, found: found.logits }, isRounded ? 2e-2 : 1e-4);
  }, 240_000);
});
