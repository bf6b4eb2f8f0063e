import { beforeAll, describe, expect, test, vi } from 'vitest';
import { sourceOfBytes, syntheticGraph, syntheticRequest, TINY } from '../../test/synthetic-graph.ts';
import { decoderSteps } from '../graph/decoder-steps.ts';
import type { Executor, ProgramRequest, WeightSource } from '../graph/executor.ts';
import { modelOfDecoder } from '../graph/model-graphs.ts';
import { createThreadHost } from '../node/thread-host.ts';
import { readKernelModules } from '../node/wasm-modules.ts';
import { CapacityError, FormatError, InputError } from '../tensor/errors.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import { createCpuExecutor } from './cpu-executor.ts';
import { createMemory } from './kernel-module.ts';
import { Threads } from './threads.ts';
import type { ThreadEvents, ThreadHost } from './thread-host.ts';

// As it is, for its memory.
vi.unmock('../node/thread-host.ts');

let executor: Executor;
let spawned = 0;
let ended = 0;
/** Counts the threads, so that a test sees one that is left over. */
const countingHost: ThreadHost = {
  spawn(source, data, events) {
    spawned++;
    const handle = createThreadHost().spawn(source, data, events);
    return { keepAlive: handle.keepAlive, terminate: () => handle.terminate().then(() => void ended++) };
  },
};

beforeAll(async () => {
  executor = await createCpuExecutor({ threads: 2, modules: await readKernelModules(), threadHost: countingHost });
});

const request = (typeOf: (id: string) => WeightType = () => 'f32') => syntheticRequest({ graph: syntheticGraph(TINY), typeOf });

function withWeight(base: ProgramRequest, id: string, change: (source: WeightSource) => WeightSource): ProgramRequest {
  return { ...base, weights: new Map(base.weights).set(id, change(base.weights.get(id) as WeightSource)) };
}

const sequence = { tokens: [1, 2, 3], start: 0, pages: [[0]], outputs: [2] };

describe('loading', () => {
  test('says what it will run on', async () => {
    expect(executor.description).toMatch(/^cpu \(2 threads, (relaxed )?SIMD\)$/);
    const plain = await createCpuExecutor({ threads: 1, modules: await readKernelModules(), threadHost: countingHost, forcePlain: true });
    expect(plain.description).toBe('cpu (1 thread, SIMD)');
  });

  test('reports progress up to the bytes of all weights', async () => {
    const events: { loaded: number; total: number }[] = [];
    const program = await executor.load({ ...request(), onProgress: ({ loaded, total }) => events.push({ loaded, total }) });
    expect(events[0]?.loaded).toBe(0);
    expect(events.at(-1)?.loaded).toBe(program.memory.weightBytes);
    expect(events.every(({ total }) => total === program.memory.weightBytes)).toBe(true);
    await program.dispose();
  });

  test.each([
    ['a matrix', 'layers.1.gate', 'f32', 4 * 777, [0, 0, 0xc0, 0x7f], /tensor layers\.1\.gate of synthetic.*row 12, column 9/],
    ['the scale of a block', 'layers.0.down', 'q8_0', 34 * 10, [0, 0x7c], /tensor layers\.0\.down.*q8_0 block at row 3, columns 32 to 63/],
    ['a gain', 'layers.0.attn_norm', 'f32', 4 * 63, [0, 0, 0x80, 0xff], /tensor layers\.0\.attn_norm.*column 63/],
  ] as const)('NaN or infinity in %s is named', async (_, id, type, at, bits, message) => {
    const broken = withWeight(request(() => type), id, (source) => ({
      ...source,
      async read(byteOffset, into, options) {
        await source.read(byteOffset, into, options);
        into.set(bits, at);
      },
    }));
    const error: unknown = await executor.load(broken).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FormatError);
    expect(String(error)).toMatch(message);
    expect(ended).toBe(spawned);
  });

  test('a source that fails frees everything', async () => {
    const broken = withWeight(request(), 'layers.1.up', (source) => ({
      ...source,
      read: () => Promise.reject(new FormatError('cut short')),
    }));
    await expect(executor.load(broken)).rejects.toThrow('cut short');
    expect(ended).toBe(spawned);
  });

  test('an abort stops reading and frees everything', async () => {
    const controller = new AbortController();
    const reads: string[] = [];
    const base = request();
    const weights = new Map([...base.weights].map(([id, source]) => [id, {
      ...source,
      async read(byteOffset: number, into: Uint8Array) {
        reads.push(id);
        if (reads.length === 5) controller.abort(new Error('enough'));
        await source.read(byteOffset, into);
      },
    }]));
    await expect(executor.load({ ...base, weights, signal: controller.signal })).rejects.toThrow('enough');
    expect(reads.length).toBeLessThan(8);
    expect(ended).toBe(spawned);
    await expect(executor.load({ ...base, signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
  });

  test('a model that cannot be addressed is refused before a byte is read, with the context that fits', async () => {
    let reads = 0;
    const base = request();
    const unread = new Map([...base.weights].map(([id, source]) => [id, { ...source, read: async () => void reads++ }]));
    // Two layers, two key heads of 16 values, keys and values, f32: 512 bytes a token.
    const kv = { type: 'f32', pageTokens: 64, maxPages: 200_000 } as const;
    const error: unknown = await executor.load({ ...base, weights: unread, kv }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CapacityError);
    expect(String(error)).toMatch(/KV cache for 12800000 tokens 6,554 MB.*largest context that fits is \d+ tokens/);
    const fits = Number(/fits is (\d+)/.exec(String(error))?.[1]);
    expect(fits * 512).toBeGreaterThan(4.0e9);
    const again = await executor.load({ ...base, kv: { ...kv, maxPages: Math.floor(fits / 64) - 1000 } });
    await again.dispose();
    const [vocab, dim] = [1_500_000, 1024];
    const huge = syntheticGraph({ ...TINY, vocab, dim });
    const sized = new Map(
      huge.weights.map(({ id, shape }) => [
        id,
        {
          ...sourceOfBytes(id, { type: 'f32', shape, bytes: new Uint8Array(0) }),
          sizeBytes: 4 * shape.reduce((a, b) => a * b, 1),
          read: async () => void reads++,
        },
      ]),
    );
    await expect(executor.load({ ...base, model: modelOfDecoder(huge), weights: sized })).rejects.toThrow(/No context fits/);
    expect(reads).toBe(0);
    expect(ended).toBe(spawned);
  });

  test('KV pages beyond what WebAssembly addresses are refused', async () => {
    const program = await executor.load(request());
    program.ensurePages(0, 3);
    expect(() => program.ensurePages(0, 3_000_000)).toThrow(CapacityError);
    expect((await decoderSteps(program).run({ sequences: [sequence] })).logits.length).toBe(TINY.vocab);
    await program.dispose();
  });
});

describe('running', () => {
  test('what would address memory outside is refused, and the next run works', async () => {
    const program = await executor.load(request());
    program.ensurePages(0, 1);
    const bad = [
      { ...sequence, tokens: [1, 50, 3] }, { ...sequence, tokens: [-1, 2, 3] }, { ...sequence, tokens: [1, 0.5, 3] },
      { ...sequence, pages: [[]] }, { ...sequence, pages: [[1]] }, { ...sequence, pages: [[-1]] }, { ...sequence, start: 6 },
      { ...sequence, outputs: [3] }, { ...sequence, outputs: [2, 1] },
    ];
    for (const one of bad) await expect(decoderSteps(program).run({ sequences: [one] })).rejects.toThrow();
    await expect(decoderSteps(program).run({ sequences: [] })).rejects.toThrow(InputError);
    await expect(decoderSteps(program).run({ sequences: [sequence], taps: ['hidden.9'] })).rejects.toThrow(
      /hidden\.9.*hidden\.0, hidden\.1/,
    );
    expect((await decoderSteps(program).run({ sequences: [sequence] })).logits.every(Number.isFinite)).toBe(true);
    await program.dispose();
  });

  test('after disposal nothing runs, and disposing again is harmless', async () => {
    const program = await executor.load(request());
    program.ensurePages(0, 1);
    const running = expect(decoderSteps(program).run({ sequences: [sequence] })).rejects.toThrow(/disposed/);
    await program.dispose();
    await program.dispose();
    await running;
    await expect(decoderSteps(program).run({ sequences: [sequence] })).rejects.toThrow(/disposed/);
    expect(ended).toBe(spawned);
  });

  test('loading and disposing again and again keeps memory where it was', async () => {
    const host = createThreadHost();
    const own = await createCpuExecutor({ threads: 2, modules: await readKernelModules(), threadHost: host });
    const shape = { ...TINY, vocab: 200_000 };
    const base = syntheticRequest({ graph: syntheticGraph(shape), typeOf: () => 'f32' });
    const weightBytes = 2 * shape.vocab * shape.dim * 4;
    const after: number[] = [];
    for (let turn = 0; turn < 6; turn++) {
      const program = await own.load(base);
      program.ensurePages(0, 4);
      await decoderSteps(program).run({ sequences: [sequence] });
      await program.dispose();
      after.push(process.memoryUsage().rss);
    }
    expect(Math.max(...after.slice(2)) - Math.min(...after.slice(1))).toBeLessThan(weightBytes / 2);
  });
});

describe('threads', () => {
  test('a trap rejects the run, and every later one', async () => {
    const { plain } = await readKernelModules();
    const memory = createMemory();
    const control = 131072;
    const words = new Uint32Array(memory.buffer);
    words[(control + 384) / 4] = 2;
    words[(control + 408) / 4] = 1000;
    const program = control + 4096;
    words.set([99, 12, 0], program / 4);
    const threads = new Threads({ host: createThreadHost(), count: 2, module: new WebAssembly.Module(plain), memory, control });
    await threads.start();
    await threads.run({ program, programEnd: program, step: program });
    await expect(threads.run({ program, programEnd: program + 12, step: program })).rejects.toThrow(/compute thread failed.*unreachable/s);
    await expect(threads.run({ program, programEnd: program, step: program })).rejects.toThrow(/compute thread failed/);
    await threads.dispose();
  });

  test.each([0, 1_000_000])('hundreds of steps with barriers, cold and hot, with %i spins before sleep', async (spins) => {
    const { plain } = await readKernelModules();
    const memory = createMemory();
    const control = 131072;
    const words = new Uint32Array(memory.buffer);
    words[(control + 384) / 4] = 2;
    words[(control + 408) / 4] = spins;
    const program = control + 4096;
    // Sixty-four quantise ops of no rows.
    for (let i = 0; i < 64; i++) words.set([3, 40], program / 4 + i * 10);
    const threads = new Threads({ host: createThreadHost(), count: 2, module: new WebAssembly.Module(plain), memory, control });
    await threads.start();
    for (let step = 0; step < 200; step++) {
      // At rest the threads sleep, so that both ways of waiting are taken.
      if (step % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      await threads.run({ program, programEnd: program + 64 * 40, step: program + 8192 });
      expect([words[control / 4], words[control / 4 + 32]]).toEqual([step + 1, (step + 1) * 63]);
    }
    await threads.dispose();
  });

  test('a worker that ends by itself rejects the run', async () => {
    const seen: ThreadEvents[] = [];
    const host: ThreadHost = {
      spawn(_source, _data, events) {
        seen.push(events);
        return { keepAlive() {}, async terminate() {} };
      },
    };
    const { plain } = await readKernelModules();
    const threads = new Threads({ host, count: 1, module: new WebAssembly.Module(plain), memory: createMemory(), control: 131072 });
    seen[0]?.onMessage('ready');
    await threads.start();
    const run = threads.run({ program: 0, programEnd: 0, step: 0 });
    seen[0]?.onFailure(new Error('out of memory'));
    await expect(run).rejects.toThrow('out of memory');
  });
});
