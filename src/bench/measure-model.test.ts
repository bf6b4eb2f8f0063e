/** One model's tasks with engines that are made up: whose figures count, which are kept, and which are measured again. */
import { describe, expect, it } from 'vitest';
import { circumstances } from '../../test/bench-results.ts';
import type { EngineSettings, WorkloadName } from './engine.ts';
import type { EngineClient } from './engine-client.ts';
import type { FinishedWork, KeptFigure } from './finished-work.ts';
import { NOTHING_FINISHED } from './finished-work.ts';
import { measureModel } from './measure-model.ts';
import type { Measurement } from './measurement.ts';
import type { ModelRun } from './model-run.ts';
import { readModelWork } from './model-work.ts';
import type { ModelWork } from './model-work.ts';
import type { PlannedEngine } from './plan/plan.ts';
import { bundledModelPath } from '../node/package-root.ts';
import { createRunProgress } from './run-progress.ts';

const RIVAL: PlannedEngine = { engine: 'llama-bench', title: 'rival', program: '/no/such/program' };

interface Trial {
  readonly engines?: readonly PlannedEngine[];
  readonly finished?: FinishedWork;
  readonly isOver?: (runs: number) => boolean;
  readonly workloads?: readonly WorkloadName[];
  readonly work?: ModelWork;
  readonly fails?: (settings: EngineSettings, name: string) => boolean;
}

/** Decodes with engines of the plan that are only a counter. */
async function measured({ engines = [{ engine: 'ingot', title: 'ingot' }, RIVAL], finished = NOTHING_FINISHED, ...trial }: Trial) {
  const runs: string[] = [];
  const figures: Measurement[] = [];
  const kept: string[] = [];
  const notes: string[] = [];
  const open = async (name: string, settings: EngineSettings) => {
    const decode = async () => {
      runs.push(`${name}${settings.threads === undefined ? '' : ` t${settings.threads}`}`);
      if (trial.fails?.(settings, name) === true) throw new Error('it has no room');
      return 100 * (settings.threads ?? 3) + runs.length;
    };
    const flags = settings.threads === undefined ? {} : { threads: settings.threads };
    return { facts: { version: '1', device: 'cpu', flags }, readyMs: 1, decode, close: async () => {} } as unknown as EngineClient;
  };
  const run: ModelRun = {
    plan: {
      models: [], engines, devices: ['cpu'], workloads: trial.workloads ?? ['decode'], sizes: { decodeAfter: [16], decodeTokens: 8 },
      files: {}, runs: 3, pauseMs: 0, isQuick: false,
    },
    model: { path: 'm.gguf', as: {} }, work: trial.work, limits: circumstances.device, gpu: undefined, circumstances, notes, finished,
    session: '2026-12-02T10:00:00.000Z', contestants: engines, failed: new Set(), signal: new AbortController().signal, onProgress() {},
    progress: createRunProgress([{ runs: 8 }]), pool: { open, keepOnly: async () => {}, closeAll: async () => {} },
    isOver: () => trial.isOver?.(runs.length) ?? false,
    reporters: [
      {
        onMeasurement: (figure) => void figures.push(figure), onKept: ({ engine }, day) => void kept.push(`${engine.name} of ${day}`),
        onModelEnd() {},
      },
    ],
  };
  await measureModel(run);
  return { runs, kept, notes, figures, told: figures.map(({ engine, runs: own, isWhole }) => [engine.name, own.length, isWhole]) };
}

/** Of earlier work: of the first so many keys, those of the ones that are `there`. */
function finishedOf(there: readonly string[]): FinishedWork {
  const when = { time: '2026-12-02T00:01:00.000Z', session: '2026-12-01T23:00:00.000Z' };
  const figureOf = (name: string) => ({ measure: 'decode 8 after 16', engine: { name }, ...when }) as KeptFigure;
  return {
    figuresOf: (keys) => new Map(keys.flatMap((key, i) => (there[i] === '' ? [] : [[key, [figureOf(there[i] as string)]] as const]))),
  };
}

describe('measuring a model', () => {
  it('counts as many runs of each side, wherever the time is over', async () => {
    // Two warm-ups, two rounds, and one run of the third.
    const { runs, told, notes } = await measured({ isOver: (count) => count === 7 });
    expect(runs).toHaveLength(7);
    expect(told).toEqual([['ingot', 2, false], ['rival', 2, false]]);
    expect(notes).toEqual(['stopped: decode 8 after 16 not measured, or not to the end']);
    expect((await measured({ isOver: (count) => count === 3 })).told).toEqual([]);
    expect((await measured({})).told).toEqual([['ingot', 3, true], ['rival', 3, true]]);
  });

  it('keeps a task of which one session has all, with its day', async () => {
    const { runs, kept } = await measured({ finished: finishedOf(['ingot', 'rival']) });
    expect([runs, kept]).toEqual([[], ['ingot of 2026-12-01', 'rival of 2026-12-01']]);
  });

  it.each([[['', 'rival']], [['ingot', '']]])('measures all in turn where one is missing: %j', async (there) => {
    const { kept, told } = await measured({ finished: finishedOf(there) });
    expect([kept, told]).toEqual([[], [['ingot', 3, true], ['rival', 3, true]]]);
  });

  it('tries a rival that is missing first, and keeps what is there where that cannot do it', async () => {
    const fails = (_: EngineSettings, name: string) => name === 'llama-bench';
    const { runs, kept, notes } = await measured({ finished: finishedOf(['ingot', '']), fails });
    expect([runs, kept]).toEqual([['llama-bench'], ['ingot of 2026-12-01']]);
    expect(notes).toEqual(['decode 8 after 16: rival is left out: it has no room']);
    // Nor is anything lost where the time is over before it could be measured again.
    const over = await measured({ finished: finishedOf(['ingot', '']), isOver: (count) => count > 0 });
    expect([over.kept, over.told]).toEqual([['ingot of 2026-12-01'], []]);
  });

  it('leaves out the pictures of a model that does not see, and measures the rest', async () => {
    const work = await readModelWork(bundledModelPath(), { signal: new AbortController().signal });
    const { told, notes } = await measured({ workloads: ['pictures', 'decode'], work });
    expect(told).toEqual([['ingot', 3, true], ['rival', 3, true]]);
    const sizes = ['224', '512', '1024', '2048x1536'].map((size) => `picture of ${size}`);
    const why = 'is left out: the model does not see: it has no tower, and none lies beside it';
    expect(notes).toEqual([...sizes.map((name) => `${name}, tower ${why}`), ...sizes.map((name) => `${name} ${why}`)]);
  });

  it('tries an engine that stands twice with each of its numbers of threads', async () => {
    const engines = [{ engine: 'ingot', title: 'ingot' }, { ...RIVAL, threads: 1 }, { ...RIVAL, threads: 2 }];
    const { runs, figures } = await measured({ engines });
    expect(runs.slice(0, 3)).toEqual(['ingot', 'llama-bench t1', 'llama-bench t2']);
    expect(figures.map(({ engine, flags }) => [engine.name, flags['threads']])).toEqual([['ingot', undefined], ['rival', 1], ['rival', 2]]);
    expect(new Set(figures.map(({ asked }) => asked)).size).toBe(3);
    const fails = ({ threads }: EngineSettings) => threads === 1;
    const { figures: left, notes } = await measured({ engines, fails });
    expect(left.map(({ flags }) => flags['threads'])).toEqual([undefined, 2]);
    expect(notes).toEqual(['decode 8 after 16: rival (1 thread) is left out: it has no room']);
  });
});
