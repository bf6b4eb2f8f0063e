/** What a sampler keeps on a device that only keeps account of its memory; what its kernels compute is tested with them. */
import { expect, it } from 'vitest';
import { GREEDY } from '../../../test/greedy.ts';
import type { TokenChoice } from '../../graph/executor.ts';
import type { TokenGrammar } from '../../tensor/byte-table.ts';
import { CapacityError } from '../../tensor/errors.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { chosenBytes } from '../kernels/argmax/emit-token.ts';
import { RING_SIZE } from '../sampling/sampler-kinds.ts';
import { STATUS_BAD_LOGITS } from '../sampling/sampling-record.ts';
import { createTokenSampler } from './create-token-sampler.ts';

interface CountedBuffer {
  readonly label: string;
  readonly size: number;
  destroy(): void;
}

/** A device of so many bytes, which judges at the end of a guard, as GpuDevice does, and refuses writes to what is destroyed. */
function countingDevice() {
  const live = new Set<unknown>();
  let made: CountedBuffer[] = [];
  const room = { bytes: Infinity, guards: [] as string[], places: new Map<number, number>() };
  const check = (...buffers: readonly CountedBuffer[]) => {
    for (const buffer of buffers) if (!live.has(buffer)) throw new Error(`${buffer.label} is destroyed`);
  };
  const used = () => [...live as Set<CountedBuffer>].reduce((sum, { size }) => sum + size, 0);
  const gpu = {
    createBuffer({ label, size }: { label: string; size: number }) {
      const buffer = { label, size, destroy: () => void live.delete(buffer) };
      live.add(buffer);
      made.push(buffer);
      return buffer;
    },
    device: {
      createBindGroup: () => ({}),
      createCommandEncoder: () => ({
        copyBufferToBuffer: (from: CountedBuffer, _: number, to: CountedBuffer) => check(from, to),
        finish: () => ({}),
      }),
    },
    queue: {
      submit() {},
      writeBuffer(buffer: CountedBuffer, at: number, words: ArrayBufferView) {
        check(buffer);
        if (buffer.label === 'grammar places') room.places.set(at, (words as Uint32Array)[0]!);
        if (at + words.byteLength > buffer.size) throw new Error(`${buffer.label} has ${buffer.size} bytes`);
      },
    },
    async guard<Result>(doing: string, work: () => Result): Promise<Result> {
      room.guards.push(doing);
      made = [];
      const result = work();
      const guarded = made;
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (used() <= room.bytes) return result;
      for (const buffer of guarded) buffer.destroy();
      throw new CapacityError(`${doing}: out of memory`);
    },
  };
  return { gpu: gpu as unknown as GpuDevice, room, used };
}

const VOCAB = 64;
const SPANS = { vocabSize: VOCAB, words: new Uint32Array(VOCAB + 16) };

function grammarOf(words: number): TokenGrammar {
  return { spans: SPANS, table: new Uint32Array(words), place: { state: 0, stack: [] } };
}

const choiceOf = (grammar?: TokenGrammar): TokenChoice => ({ sampling: GREEDY, history: { promptIds: [], outputIds: [] }, grammar });

const biased = (count: number): TokenChoice => ({
  ...choiceOf(), sampling: { ...GREEDY, logitBias: new Map(Array.from({ length: count }, (_, id) => [id, 1])) },
});

const PLAIN = { areMasked: false } as const;

function samplerOn(gpu: GpuDevice, compiled: Promise<unknown> = Promise.resolve({})) {
  return createTokenSampler({
    gpu, vocab: VOCAB, invocations: 64, pipelines: new Map(), logits: {} as GPUBuffer,
    compiler: { get: () => compiled as Promise<never>, ready: () => ({}) as never },
  });
}

it('where a grammar leaves no token the error says so, and elsewhere that the model has no usable scores', () => {
  const sampler = samplerOn(countingDevice().gpu);
  const [plain, narrowed] = [sampler.open(choiceOf()), sampler.open(choiceOf(grammarOf(100)))];
  const results = new Uint32Array((2 * chosenBytes({ ringSize: RING_SIZE })) / 4);
  for (const choice of [plain, narrowed]) results.set([1, STATUS_BAD_LOGITS], (choice * results.length) / 2);
  expect(() => sampler.tokensOf(results.buffer, plain, 1)).toThrow('The model computed no usable scores');
  expect(() => sampler.tokensOf(results.buffer, narrowed, 1)).toThrow(/^No token with a usable score continues the answer in its format/);
});

it('memory that the device has not leaves sequences and grammars as they were, and a later one finds room', async () => {
  const { gpu, room, used } = countingDevice();
  const sampler = samplerOn(gpu);
  const first = sampler.open(choiceOf(grammarOf(70_000)));
  await sampler.prepare(PLAIN);
  const before = used();
  expect(before).toBe(sampler.sizeBytes);
  room.bytes = before + 100_000;
  const large = sampler.open(choiceOf(grammarOf(300_000)));
  await expect(sampler.prepare(PLAIN)).rejects.toThrow(CapacityError);
  sampler.close(large);
  expect(used()).toBe(sampler.sizeBytes);
  expect(used()).toBeLessThanOrEqual(room.bytes);
  // Into the room that is there; what is written is checked by the device.
  const small = sampler.open(choiceOf(grammarOf(30_000)));
  await sampler.prepare(PLAIN);
  expect(small).toBe(large);
  room.bytes = used();
  for (let i = 0; i < 3; i++) sampler.open(choiceOf());
  await expect(sampler.prepare(PLAIN)).rejects.toThrow('Allocating the sampler of 8 sequences');
  expect(used()).toBe(room.bytes);
  room.bytes = Infinity;
  await sampler.prepare(PLAIN);
  expect(used()).toBe(sampler.sizeBytes);
  sampler.close(first);
});

it.each(['masks', 'biases'] as const)('%s that the device has no memory for are refused, and those before them stay', async (what) => {
  const { gpu, room, used } = countingDevice();
  const sampler = samplerOn(gpu);
  const areMasked = what === 'masks';
  const next = (count: number) => sampler.open(areMasked ? choiceOf() : biased(count));
  const masks = (count: number) =>
    sampler.masking(Array.from({ length: count }, (_, logits) => ({ logits, mask: new Uint32Array(VOCAB / 32) })));
  const only = next(4);
  await sampler.prepare({ areMasked });
  const before = used();
  expect(before).toBe(sampler.sizeBytes);
  // Sequences find room: all but what the many masks, or biases, take.
  room.bytes = before;
  const others = Array.from({ length: areMasked ? 15 : 1 }, () => next(60));
  await expect(sampler.prepare({ areMasked })).rejects.toThrow(/^Allocating the sampler of \d+ sequences/);
  expect([used(), sampler.sizeBytes]).toEqual([before, before]);
  for (const other of others) sampler.close(other);
  await sampler.prepare({ areMasked });
  if (areMasked) masks(1);
  room.bytes = Infinity;
  for (let i = 0; i < 3; i++) next(60);
  await sampler.prepare({ areMasked });
  if (areMasked) masks(4);
  expect(used()).toBe(sampler.sizeBytes);
  sampler.close(only);
});

it('what there is room for waits for no word of the device', async () => {
  const { gpu, room } = countingDevice();
  const sampler = samplerOn(gpu);
  for (const words of [100, 200]) {
    const choice = sampler.open(choiceOf(grammarOf(words)));
    await sampler.prepare({ areMasked: true });
    sampler.close(choice);
  }
  for (let i = 0; i < 3; i++) await sampler.prepare({ areMasked: true });
  expect(room.guards).toEqual(['Allocating the sampler of 1 sequences', 'Allocating grammars']);
});

it('a call that is closed while kernels are made holds no table, and who has its number then has not its grammar', async () => {
  const { gpu, room, used } = countingDevice();
  let compile = () => {};
  const sampler = samplerOn(gpu, new Promise((resolve) => (compile = () => resolve({}))));
  const [left, given] = [1, 2, 3].map(() => sampler.open(choiceOf(grammarOf(60_000)))) as [number, number, number];
  const preparing = sampler.prepare(PLAIN);
  await new Promise((resolve) => setTimeout(resolve, 1));
  for (const closed of [left, given]) sampler.close(closed);
  expect(sampler.open(choiceOf())).toBe(left);
  compile();
  await preparing;
  await sampler.prepare(PLAIN);
  // A table of 60,000 words, where there is room for 65,536 for a start.
  expect(used()).toBeLessThan(2 * 65_536 * 4);
  expect(room.places.get(0)).toBe(0);
});

it('what was refused is asked for again, and what was there once is not taken to be there for more', async () => {
  const { gpu, room, used } = countingDevice();
  const sampler = samplerOn(gpu);
  sampler.open(choiceOf());
  await sampler.prepare(PLAIN);
  room.bytes = used();
  for (let i = 0; i < 2; i++) await expect(sampler.prepare({ areMasked: true })).rejects.toThrow(CapacityError);
  await sampler.prepare(PLAIN);
  room.bytes = Infinity;
  await sampler.prepare({ areMasked: true });
  for (let i = 0; i < 2; i++) sampler.open(choiceOf());
  for (const areMasked of [false, true]) await sampler.prepare({ areMasked });
  sampler.masking(Array.from({ length: 3 }, (_, logits) => ({ logits, mask: new Uint32Array(VOCAB / 32) })));
  expect(used()).toBe(sampler.sizeBytes);
});
