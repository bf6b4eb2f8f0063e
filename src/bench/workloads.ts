/** The phases of `../shared/protocol.md`, as tasks. One more workload is one more entry of {@link WORKLOADS}. */
import type { WorkloadName } from './engine.ts';
import { decodeBytes, prefillMultiplyAdds } from './model-work.ts';
import { concurrencyTasks, interruptionTasks, serverTasks } from './stream-workloads.ts';
import { SHARED } from './task.ts';
import type { Sizes, Task, TaskInput } from './task.ts';

export const PROTOCOL_SIZES: Sizes = {
  prefill: [128, 512, 2048], ttft: [16, 512], decodeAfter: [128, 4096], decodeTokens: 128, turns: 15, userTokens: 30, answerTokens: 64,
  streams: [1, 4, 16, 64], serverStreams: [1, 16, 64, 256], streamPrompt: 512, streamAnswer: 128, arrivingPrompt: 4096,
};

/** To see that everything runs; no figure of it is worth quoting. */
export const QUICK_SIZES: Sizes = {
  prefill: [32],
  ttft: [16],
  decodeAfter: [16],
  decodeTokens: 16,
  turns: 3,
  userTokens: 8,
  answerTokens: 8,
  streams: [1, 3],
  serverStreams: [1, 3],
  streamPrompt: 24,
  streamAnswer: 8,
  arrivingPrompt: 64,
};

function prefillTasks({ prefill }: Sizes): Task[] {
  return prefill.map((tokens) => ({
    ...SHARED,
    workload: 'prefill',
    name: `prefill ${tokens}`,
    contextTokens: tokens + 1,
    usesBatches: true,
    figures: [
      {
        name: `prefill ${tokens}`,
        unit: 'tok/s',
        isShown: true,
        work: (model) => ({ kind: 'multiply-adds per token', count: prefillMultiplyAdds(model, tokens) / tokens }),
      },
    ],
    run: async ({ engine, ids }) => [await engine.prefill(ids(tokens))],
  }));
}

function ttftTasks({ ttft }: Sizes): Task[] {
  return ttft.map((tokens) => ({
    ...SHARED, workload: 'ttft', name: `TTFT ${tokens}`, contextTokens: tokens + 16, usesBatches: true,
    figures: [{ name: `TTFT ${tokens}`, unit: 'ms', isShown: true }],
    run: async ({ engine, ids }) => [await engine.firstToken(ids(tokens))],
  }));
}

function decodeTasks({ decodeAfter, decodeTokens }: Sizes): Task[] {
  return decodeAfter.map((after) => {
    const name = `decode ${decodeTokens} after ${after}`;
    return {
      ...SHARED,
      workload: 'decode',
      name,
      contextTokens: after + decodeTokens + 1,
      figures: [
        {
          name,
          unit: 'tok/s',
          isShown: true,
          work: (model) => ({ kind: 'bytes per token', count: decodeBytes(model, after + decodeTokens / 2) }),
        },
      ],
      run: async ({ engine, ids }) => [await engine.decode(ids(after), decodeTokens)],
    };
  });
}

const FIRST_REQUEST_TOKENS = 16;

function loadTasks(_: Sizes, hasDriverCaches: boolean): Task[] {
  const kinds = hasDriverCaches ? (['fresh', 'fresh with cold caches'] as const) : (['fresh'] as const);
  return kinds.map((process) => {
    const suffix = process === 'fresh' ? '' : ', cold driver caches';
    return {
      ...SHARED, workload: 'load', name: `load${suffix}`, contextTokens: FIRST_REQUEST_TOKENS + 16, process,
      figures: [
        { name: `load${suffix}`, unit: 'ms', isShown: true },
        { name: `first request${suffix}`, unit: 'ms', isShown: true },
        { name: `load and first request${suffix}`, unit: 'ms', isShown: true },
        { name: `peak memory after it${suffix}`, unit: 'MB', isShown: process === 'fresh' },
      ],
      async run({ engine, ids }) {
        const firstMs = await engine.firstToken(ids(FIRST_REQUEST_TOKENS));
        return [engine.readyMs, firstMs, engine.readyMs + firstMs, (await engine.peakMemoryBytes()) / 1e6];
      },
    };
  });
}

function turnTasks({ turns, userTokens, answerTokens }: Sizes): Task[] {
  const numbers = Array.from({ length: turns }, (_, i) => i + 1);
  return [true, false].map((reusesPrefix) => {
    const suffix = reusesPrefix ? '' : ', prefix not reused';
    const name = `${turns} turns${suffix}`;
    return {
      ...SHARED, workload: 'turns', name, contextTokens: turns * (userTokens + answerTokens), isConversation: true,
      figures: [
        ...numbers.map((turn) => ({ name: `TTFT of turn ${turn}${suffix}`, unit: 'ms' as const, isShown: turn === 2 || turn === turns })),
        { name: `TTFT of all ${name}`, unit: 'ms', isShown: true },
      ],
      async run({ engine, ids }) {
        const waits = await engine.converse({ turns: numbers.map((turn) => ids(userTokens, turn)), answerTokens, reusesPrefix });
        return [...waits, waits.reduce((sum, wait) => sum + wait, 0)];
      },
    };
  });
}

/** @param hasDriverCaches whether the device compiles shaders, which drivers keep on disk */
type TaskMaker = (sizes: Sizes, hasDriverCaches: boolean) => Task[];

export const WORKLOADS: Readonly<Record<WorkloadName, TaskMaker>> = {
  prefill: prefillTasks,
  decode: decodeTasks,
  ttft: ttftTasks,
  load: loadTasks,
  turns: turnTasks,
  concurrency: concurrencyTasks,
  server: serverTasks,
  interruption: interruptionTasks,
};
export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as readonly WorkloadName[];
/** Those of many streams take minutes on a CPU: they are for who asks. */
export const DEFAULT_WORKLOADS = WORKLOAD_NAMES.filter((name) => !['concurrency', 'interruption', 'server'].includes(name));

/** Prompts of a run: the same for every engine, others in every run and part of it. */
export function idsOfRun(seed: number, vocabSize: number): TaskInput['ids'] {
  return (count, part = 0) => randomIds(count, { seed: seed + 1009 * part, vocabSize });
}

/**
 * Random but repeatable token ids, away from the special ones at both ends of most vocabularies.
 * The same seed gives the same ids for every engine; another seed another prompt, so that no cache helps.
 */
export function randomIds(count: number, { seed, vocabSize }: { readonly seed: number; readonly vocabSize: number }): number[] {
  const first = Math.min(1000, vocabSize >> 3);
  const span = Math.max(1, Math.min(20_000, vocabSize - first - (vocabSize >> 4)));
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return first + ((state >>> 8) % span);
  });
}
