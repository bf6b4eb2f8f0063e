import { beforeAll, describe, expect, test, vi } from 'vitest';
import { sourceOfBytes, syntheticGraph, syntheticRequest, TINY } from '../../test/synthetic-graph.ts';
import { decoderSteps } from '../graph/decoder-steps.ts';
import type { Executor, ProgramRequest, WeightSource } from '../graph/executor.ts';
import { modelOfDecoder } from '../graph/model-graphs.ts';
import { createThreadHost } from '../node/thread-host.ts';
import { readKernelModules } from '../node/wasm-modules.ts';
import { CapacityError, FormatError, InputError } from '../tensor/errors.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import { CONTROL } from './control-layout.ts';
import { createCpuExecutor } from './cpu-executor.ts';
import { createMemory, instantiateKernels } from './kernel-module.ts';
import { Threads } from './threads.ts';
import type { ThreadEvents, ThreadHost, WorkerHost } from './thread-host.ts';

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
    ['an exponent', 'layers.0.down', 'mxfp4', 17 * 10, [255], /tensor layers\.0\.down.*mxfp4 block at row 3, columns 32 to 63/],
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
    // What one model leaves may go a turn late, where a thread ends late; what stays adds up.
    expect(Math.min(...after.slice(3)) - Math.min(...after.slice(1, 3))).toBeLessThan(weightBytes / 2);
  });
});

/** Threads over a program of `ops` records, each begun by the given words, of 40 bytes. */
async function openThreads({ op, ops, spins = 1000, count = 2, host = createThreadHost(), isHosted = false }: OpenThreads) {
  const module = new WebAssembly.Module((await readKernelModules()).plain);
  const memory = createMemory();
  const control = 131072;
  const words = new Uint32Array(memory.buffer, control);
  words[CONTROL.threads / 4] = count;
  words[CONTROL.spins / 4] = spins;
  const program = control + 4096;
  for (let i = 0; i < ops; i++) words.set([op, 40], (4096 + i * 40) / 4);
  const kernels = isHosted ? instantiateKernels(module, memory) : undefined;
  const threads = new Threads({ host, count, module, memory, control, kernels });
  await threads.start();
  const step = { program, programEnd: program + ops * 40, step: program + 8192, rows: 1 };
  return { threads, step, words, empty: { ...step, programEnd: program } };
}

interface OpenThreads {
  readonly op: number;
  readonly ops: number;
  readonly spins?: number;
  readonly count?: number;
  readonly host?: ThreadHost;
  readonly isHosted?: boolean;
}

/** Ends steps of no ops, and fails in the first one that the host takes part in. */
const TROUBLED_WORKER = `
  const { exports } = new WebAssembly.Instance(data.module, { env: { memory: data.memory, abort() {} } });
  const words = new Int32Array(data.memory.buffer, data.control);
  post('ready');
  for (let seen = 0; ; seen++) {
    while (Atomics.load(words, 0) === seen) Atomics.wait(words, 0, seen, 1);
    if (words[${CONTROL.hosted / 4}] === 1) break;
    if (Atomics.add(words, 80, 1) === 0) continue;
    words[80] = 0;
    post('done');
  }
  // The host waits by now.
  setTimeout(() => {
    exports.abandonStep(data.control);
    post({ failure: 'in trouble' });
  }, 20);
`;

const QUANTIZE = 3;
const UNKNOWN = 99;

describe('threads', () => {
  test.each([false, true])('a trap rejects the run, and every later one (the host takes part: %s)', async (isHosted) => {
    const { threads, step, words, empty } = await openThreads({ op: UNKNOWN, ops: 1, isHosted });
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    for (let i = 0; i < 2; i++) await threads.run({ ...step, programEnd: empty.programEnd });
    clock.mockRestore();
    expect(words[CONTROL.hosted / 4]).toBe(Number(isHosted));
    await expect(threads.run(step)).rejects.toThrow(/compute thread failed.*unreachable/s);
    await expect(threads.run(empty)).rejects.toThrow(/compute thread failed/);
    await threads.dispose();
  });

  test.each([0, 1_000_000])('hundreds of steps with barriers, cold and hot, with %i spins before sleep', async (spins) => {
    // Quantise ops of no rows.
    const { threads, step, words } = await openThreads({ op: QUANTIZE, ops: 64, spins });
    for (let i = 0; i < 200; i++) {
      // At rest the threads sleep, so that both ways of waiting are taken.
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      await threads.run(step);
      expect([words[CONTROL.generation / 4], words[CONTROL.barrier / 4]]).toEqual([i + 1, (i + 1) * 63]);
    }
    await threads.dispose();
  });

  test.each([
    [1, 0], [1, 1_000_000], [2, 0], [2, 1_000_000], [3, 1000],
  ])('%i thread(s), one of them the host in short steps, with %i spins', async (count, spins) => {
    const { threads, step, words } = await openThreads({ op: QUANTIZE, ops: 64, spins, count, isHosted: true });
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    let hosted = 0;
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    for (let i = 0; i < 300; i++) {
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      // Every seventh goes to the workers, so that the last of them sleeps through some steps, not all.
      await threads.run(i % 7 === 0 ? { ...step, rows: undefined } : step);
      hosted += words[CONTROL.hosted / 4] as number;
      expect(words[CONTROL.generation / 4]).toBe(i + 1);
    }
    clock.mockRestore();
    clearInterval(timer);
    expect(hosted).toBeGreaterThan(200);
    expect(turns).toBeGreaterThan(5);
    await threads.dispose();
  });

  test('the host takes no part in a step that was long, nor on a platform that gives others no turn', async () => {
    const { threads, step, words } = await openThreads({ op: QUANTIZE, ops: 1, isHosted: true });
    const clock = vi.spyOn(performance, 'now');
    const take = async (ms: number) => {
      clock.mockReturnValueOnce(0).mockReturnValueOnce(ms);
      await threads.run(step);
      return words[CONTROL.hosted / 4] === 1;
    };
    // The first of all, whose time nobody knows, and those behind one that took 50 ms.
    expect([await take(50), await take(1), await take(1)]).toEqual([false, false, false]);
    for (let i = 0; i < 20; i++) await take(1);
    expect([await take(90), await take(1)]).toEqual([true, false]);
    clock.mockRestore();
    await threads.dispose();
    const { spawn } = createThreadHost();
    const other = await openThreads({ op: QUANTIZE, ops: 1, isHosted: true, host: { spawn } });
    for (let i = 0; i < 3; i++) await other.threads.run(other.step);
    expect(other.words[CONTROL.hosted / 4]).toBe(0);
    await other.threads.dispose();
  });

  test('a worker that fails in a step of the host sends it out of the step, in its own words', async () => {
    const host = createThreadHost();
    const spawn: WorkerHost['spawn'] = (source, data, events) =>
      host.spawn((data as { thread: number }).thread === 0 ? TROUBLED_WORKER : source, data, events);
    const { threads, empty } = await openThreads({ op: QUANTIZE, ops: 1, isHosted: true, host: { ...host, spawn } });
    // However busy the machine is.
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    await threads.run(empty);
    await expect(threads.run(empty)).rejects.toThrow('A compute thread failed: in trouble');
    clock.mockRestore();
    await expect(threads.run(empty)).rejects.toThrow('in trouble');
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
