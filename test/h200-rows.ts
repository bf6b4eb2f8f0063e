/** Rows of bench/results/archive/gpu-vs-llama-2026-11.jsonl.gz on an H200 beside what the model of a step makes of today's plans. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { planOfShape } from '../src/bench/plan-of-shape.ts';
import { decodeOnH200, prefillOnH200 } from '../src/bench/published/h200.ts';
import type { ModelPlan } from '../src/gpu/plan/model-plan.ts';
import { PROFILES } from '../src/gpu/profile/profiles.ts';
import { synthPlan } from '../src/models/synth-shapes.ts';
import type { SynthModel } from '../src/models/synth-shapes.ts';

export interface H200Row {
  readonly model: SynthModel;
  readonly commit: string;
  /** `prefill 512`, `decode 128 after 4096` */
  readonly measure: string;
  /** Median of its runs, tokens/s. */
  readonly measured: number;
  readonly predicted: number;
}

interface ResultLine {
  readonly engine?: { readonly name: string };
  readonly commit: string;
  readonly model: { readonly file: string };
  readonly workload: string;
  readonly measure: string;
  readonly median: number;
}

const MODELS: readonly SynthModel[] = ['qwen3-0.6b', 'gemma-3-1b', 'lfm2.5-1.2b', 'llama-3.2-3b', 'qwen3-4b', 'qwen3-30b-a3b'];
/** The leases whose rows are explained; others are other days. */
const COMMITS = ['57292ac1', '977b4be5'];
/** Shorter prompts are bound by what no model of kernels has: the host's first submit. */
const LEAST_ROWS = 512;
/** Tokens of an answer: its middle one stands for all. */
const ANSWER = 128;

export function h200Rows(): readonly H200Row[] {
  const text = gunzipSync(readFileSync(new URL('../bench/results/archive/gpu-vs-llama-2026-11.jsonl.gz', import.meta.url))).toString();
  const lines = text.trim().split('\n').map((line) => JSON.parse(line) as ResultLine).filter(
    ({ engine, commit }) => engine?.name === 'ingot' && COMMITS.includes(commit),
  );
  return MODELS.flatMap((model) => {
    const predict = predictorOf(model);
    return lines.flatMap(({ model: { file }, commit, measure, median }): readonly H200Row[] => {
      const predicted = isOf(model, file) ? predict(measure) : undefined;
      return predicted === undefined ? [] : [{ model, commit, measure, measured: median, predicted }];
    });
  });
}

/** Models whose layers are all alike, of which few are planned: whole plans of all six take a minute of a busy machine. */
const ALIKE: readonly SynthModel[] = ['qwen3-0.6b', 'llama-3.2-3b', 'qwen3-4b', 'qwen3-30b-a3b'];

/** Tokens/s by measure; undefined of what the model says nothing of. */
function predictorOf(model: SynthModel): (measure: string) => number | undefined {
  const { layers } = synthPlan(model, 'q4_0').config;
  const planOf = (count: number) => planOfShape({ model, type: 'q4_0', profile: PROFILES.nvidia, config: { layers: count } });
  if (!ALIKE.includes(model)) {
    const plan = planOf(layers);
    return (measure) => predictedOf(plan, measure);
  }
  const [two, three] = [planOf(2), planOf(3)];
  return (measure) => {
    const [ofTwo, ofThree] = [predictedOf(two, measure), predictedOf(three, measure)];
    if (ofTwo === undefined || ofThree === undefined) return undefined;
    return 1 / (1 / ofTwo + (layers - 2) * (1 / ofThree - 1 / ofTwo));
  };
}

/** One lease named the 30B's file `a.gguf`. */
function isOf(model: SynthModel, file: string): boolean {
  return file === `${model}.gguf` || (file === 'a.gguf' && model === 'qwen3-30b-a3b');
}

function predictedOf(plan: ModelPlan, measure: string): number | undefined {
  const rows = Number(/^prefill (\d+)$/.exec(measure)?.[1] ?? 0);
  if (rows >= LEAST_ROWS) return prefillOnH200(plan, rows);
  const after = /^decode 128 after (\d+)$/.exec(measure)?.[1];
  return after === undefined ? undefined : decodeOnH200(plan, Number(after) + ANSWER / 2);
}
