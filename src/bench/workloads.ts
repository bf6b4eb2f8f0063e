/** The phases of `../shared/protocol.md`, as tasks. One more workload is one more entry of {@link WORKLOADS}. */
import type { WorkloadName } from './engine.ts';
import { decodeBytes, prefillMultiplyAdds } from './model-work.ts';
import { concurrencyTasks, interruptionTasks, serverTasks } from './stream-workloads.ts';
import { busyTasks, driftTasks } from './long-workloads.ts';
import { pictureTasks, qualityTasks, hearingTasks, speakingTasks, structuredTasks, taskTasks } from './answer-workloads.ts';
import { SHARED } from './task.ts';
import type { Sizes, Task, TaskInput, TaskOptions } from './task.ts';

export const PROTOCOL_SIZES: Sizes = {
  prefill: [128, 512, 2048], ttft: [16, 512], decodeAfter: [128, 4096], decodeTokens: 128, turns: 15, userTokens: 30, answerTokens: 64,
  streams: [1, 4, 16, 64], serverStreams: [1, 16, 64, 256], streamPrompt: 512, streamAnswer: 128, arrivingPrompt: 4096,
  driftSeconds: 600, driftSample: 60, formTokens: 256, qualityTokens: 2048, mostTasks: 100, pictures: ['224', '512', '1024', '2048x1536'],
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
  driftSeconds: 2,
  driftSample: 1,
  formTokens: 48,
  qualityTokens: 64,
  mostTasks: 2,
  pictures: ['224'],
};

function prefillTasks({ sizes: { prefill } }: TaskOptions): Task[] {
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

function ttftTasks({ sizes: { ttft } }: TaskOptions): Task[] {
  return ttft.map((tokens) => ({
    ...SHARED, workload: 'ttft', name: `TTFT ${tokens}`, contextTokens: tokens + 16, usesBatches: true,
    figures: [{ name: `TTFT ${tokens}`, unit: 'ms', isShown: true }],
    run: async ({ engine, ids }) => [await engine.firstToken(ids(tokens))],
  }));
}

function decodeTasks({ sizes: { decodeAfter, decodeTokens } }: TaskOptions): Task[] {
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

function loadTasks({ isGpu }: TaskOptions): Task[] {
  const kinds = isGpu ? (['fresh', 'fresh with cold caches'] as const) : (['fresh'] as const);
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
        return [engine.readyMs, firstMs, engine.readyMs + firstMs, (await engine.memory()).peakBytes / 1e6];
      },
    };
  });
}

function turnTasks({ sizes: { turns, userTokens, answerTokens } }: TaskOptions): Task[] {
  const numbers = Array.from({ length: turns }, (_, i) => i + 1);
  return [true, false].map((reusesPrefix) => {
    const suffix = reusesPrefix ? '' : ', prefix not reused';
    const name = `${turns} turns${suffix}`;
    return {
      ...SHARED, workload: 'turns', name, contextTokens: turns * (userTokens + answerTokens), purpose: 'conversation',
      asks: `${userTokens} and ${answerTokens}`,
      figures: [
        ...numbers.map((turn) => ({ name: `TTFT of turn ${turn}${suffix}`, unit: 'ms' as const, isShown: turn === 2 || turn === turns })),
        { name: `TTFT of all ${name}`, unit: 'ms', isShown: true },
      ],
      async run({ engine, ids }) {
        const times = await engine.converse({ turns: numbers.map((turn) => ids(userTokens, turn)), answerTokens, reusesPrefix });
        const waits = times.map(({ firstMs }) => firstMs);
        return [...waits, waits.reduce((sum, wait) => sum + wait, 0)];
      },
    };
  });
}

type TaskMaker = (options: TaskOptions) => Task[];

export const WORKLOADS: Readonly<Record<WorkloadName, TaskMaker>> = {
  prefill: prefillTasks,
  decode: decodeTasks,
  ttft: ttftTasks,
  load: loadTasks,
  turns: turnTasks,
  drift: driftTasks,
  busy: busyTasks,
  concurrency: concurrencyTasks,
  server: serverTasks,
  interruption: interruptionTasks,
  structured: structuredTasks,
  quality: qualityTasks,
  tasks: taskTasks,
  pictures: pictureTasks,
  hearing: hearingTasks,
  speaking: speakingTasks,
};
export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as readonly WorkloadName[];
/** The others take minutes, or files of their own: they are for who asks. */
export const DEFAULT_WORKLOADS: readonly WorkloadName[] = ['prefill', 'decode', 'ttft', 'load', 'turns'];

/** Those of models that are none of text: nothing is reckoned of their tokens. */
const WITHOUT_TOKENS: readonly WorkloadName[] = ['hearing', 'speaking'];
export const needsTokens = (workloads: readonly WorkloadName[]) => workloads.some((name) => !WITHOUT_TOKENS.includes(name));

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
