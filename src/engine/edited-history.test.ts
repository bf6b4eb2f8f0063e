/** Where a sequence of a hybrid goes on whose tokens were changed, and that it is a cold run's state there, on the CPU. */
import { afterEach, describe, expect, it } from 'vitest';
import { letterTextSide } from '../../test/letter-text.ts';
import { recording } from '../../test/recording.ts';
import { relativeError } from '../../test/relative-error.ts';
import { slotDecoder } from '../../test/slot-model.ts';
import { createModelFromParts } from './model.ts';
import { slotBytes, mostSlots } from '../graph/state-sizes.ts';
import { openExecutor } from '../node/load-model.ts';
import { collect } from './collect.ts';
import { decodingHost, resolveDecoding } from './decoding-settings.ts';
import { createModelCore } from './model-core.ts';
import type { ModelCore } from './model-core.ts';
import { kvLayoutOf } from './model-room.ts';
import { generatePieces } from './generate.ts';
import { openSequence } from './open-sequence.ts';
import type { Sequence } from './sequence.ts';

const CONTEXT = 12_000;
const VOCAB = 300;
const text = letterTextSide({ vocab: VOCAB });
const idsOf = (count: number, seed = 0) => Array.from({ length: count }, (_, i) => (i * 17 + seed * 5 + (i % 7) * seed + 3) % VOCAB);
/** The same up to `at`, and other tokens from there on. */
const editedAt = (ids: readonly number[], at: number, count = ids.length) => [...ids.slice(0, at), ...idsOf(count, 3).slice(at)];

const cores: ModelCore[] = [];
afterEach(async () => {
  await Promise.all(cores.splice(0).map((core) => core.close()));
});

async function coreOf(snapshots: number) {
  const { model, weights } = slotDecoder({ window: null, contextLength: CONTEXT });
  const kv = kvLayoutOf(CONTEXT, { type: 'f32' });
  const maxRows = 256;
  const cpu = await openExecutor({ device: 'cpu', threads: 2 });
  const program = await cpu.load({ model, weights, kv, sizes: { rows: maxRows }, snapshots });
  const { executor, record } = recording(program, cpu);
  const size = { vocabSize: VOCAB, contextLength: CONTEXT, modelContextLength: CONTEXT, maxRows, causal: true };
  const shared = await executor.load({ model, weights, kv, sizes: { rows: maxRows }, snapshots });
  const core = createModelCore({ ...size, program: shared, kv, snapshots, release: () => program.dispose() });
  cores.push(core);
  return { core, record, program };
}

type Core = Awaited<ReturnType<typeof coreOf>>;

/** A turn over `promptIds` with an answer of `maxTokens`; how many of the prompt's tokens had their state. */
async function turn({ core, record }: Core, sequence: Sequence, promptIds: readonly number[], maxTokens = 5) {
  const settings = resolveDecoding({ temperature: 0, ignoreEos: true, maxTokens }, decodingHost({ vocabSize: VOCAB }, text));
  record.rows = 0;
  const { usage, tokens } = await collect(
    generatePieces(() => ({ core, text, promptIds, lastingTokens: promptIds.length, settings, sequence })),
  );
  expect(record.rows).toBe(promptIds.length - usage.cachedTokens + maxTokens - 1);
  return { cached: usage.cachedTokens, tokens };
}

/** The logits that a turn of one token is chosen by are those of a sequence that begins anew. */
async function expectCold(all: Core, sequence: Sequence, promptIds: readonly number[]): Promise<number> {
  const { cached } = await turn(all, sequence, promptIds, 1);
  const found = all.record.logits;
  const cold = openSequence(all.core);
  await turn(all, cold, promptIds, 1);
  cold.close();
  expect(relativeError(found, all.record.logits)).toBeLessThan(1e-3);
  return cached;
}

describe('an edited history of a hybrid', () => {
  it('goes on from the nearest of every 2,048 prompt tokens and of the ends of turns', async () => {
    const all = await coreOf(100);
    const sequence = openSequence(all.core);
    const prompt = idsOf(5000);
    const { tokens } = await turn(all, sequence, prompt);
    // The answer's last token never ran.
    const second = [...prompt, ...tokens, ...idsOf(30, 2)];
    expect((await turn(all, sequence, second)).cached).toBe(5004);
    // Four are kept: of 5,000 and 5,004 tokens, and those of the second turn, both beyond the edits.
    expect(await expectCold(all, sequence, editedAt(second, 5002, 5020))).toBe(5000);
    // The two of 2,048 and 4,096 tokens went when those of the second turn came.
    expect(await expectCold(all, sequence, editedAt(prompt, 4300, 4310))).toBe(0);
    expect(await expectCold(all, sequence, editedAt(prompt, 4200, 4210))).toBe(4096);
    expect(await expectCold(all, sequence, editedAt(prompt, 2100, 2110))).toBe(2048);
    expect(await expectCold(all, sequence, editedAt(prompt, 2047, 2050))).toBe(0);
  });

  it('of a long prompt has its last four', async () => {
    const all = await coreOf(100);
    const sequence = openSequence(all.core);
    const prompt = idsOf(6200);
    await turn(all, sequence, prompt);
    // Of 4,096, 6,144 and 6,200 tokens, and of the answer.
    const cached = [];
    for (const edit of [6150, 6100, 4000]) cached.push(sequence.keepPrefix(editedAt(prompt, edit)));
    expect(cached).toEqual([6144, 4096, 0]);
  });

  it('begins anew where no snapshots are kept', async () => {
    const none = await coreOf(0);
    const sequence = openSequence(none.core);
    const prompt = idsOf(2100);
    await turn(none, sequence, prompt);
    expect(none.core.state.keepsSnapshots).toBe(false);
    expect(await expectCold(none, sequence, editedAt(prompt, 2050))).toBe(0);
  });
});

describe('snapshotBytes', () => {
  const parts = () => ({ name: 'hybrid', sizeBytes: 0, decoder: slotDecoder({ window: null }), text });

  it('says how many snapshots there may be, beside what sequences need', async () => {
    const { model } = slotDecoder();
    const ofSlot = slotBytes(model);
    // (3 + 2) rows of 32 numbers, and four heads of 8 x 8.
    expect(ofSlot).toBe(4 * (5 * 32 + 4 * 8 * 8));
    const asked: (number | undefined)[] = [];
    const cpu = await openExecutor({ device: 'cpu', threads: 1 });
    const executor = {
      ...cpu,
      load: (request: Parameters<typeof cpu.load>[0]) => {
        asked.push(request.snapshots);
        return cpu.load(request);
      },
    };
    for (const snapshotBytes of [undefined, 0, ofSlot, 3 * ofSlot + 1])
      await (await createModelFromParts(parts(), { executor, snapshotBytes })).dispose();
    expect(asked).toEqual([Math.floor(512e6 / ofSlot), 0, 1, 3]);
    expect(mostSlots(model, 3)).toBe(mostSlots(model, 0) + 3);
  });

  it('is refused where it is no number of bytes, or holds no snapshot', async () => {
    const executor = await openExecutor({ device: 'reference' });
    for (const [bytes, message] of [
      [-1, 'snapshotBytes must be an integer of at least 0, found -1'],
      [1.5, 'snapshotBytes must be an integer of at least 0'],
      ['512MB', 'snapshotBytes must be an integer of at least 0, found string "512MB"'],
      [1663, 'snapshotBytes 1663 holds no snapshot: one of this model (decoder) takes 1664 bytes'],
    ] as const) {
      const loading = createModelFromParts(parts(), { executor, snapshotBytes: bytes as number });
      await expect(loading).rejects.toThrow(message);
    }
  });
});
