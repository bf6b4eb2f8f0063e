/** docs/plans.md: dispatches and bytes of a token, and what they leave of the bandwidth of Apple's chips. Plans alone, no device. */
import { describe, expect, it } from 'vitest';
import { reportDecode } from '../../src/gpu/plan/plan-report.ts';
import type { StepReport } from '../../src/gpu/plan/plan-report.ts';
import { PROFILES } from '../../src/gpu/profile/profiles.ts';
import type { ProfileName } from '../../src/gpu/profile/device-profile.ts';
import { synthPlan } from '../../src/models/synth-shapes.ts';
import type { SynthModel } from '../../src/models/synth-shapes.ts';
import { planOfShape } from '../../src/bench/plan-of-shape.ts';

/** Issue 11's models, then three for comparison. */
const MODELS = {
  'lfm2.5-1.2b': 'LFM2.5-1.2B', 'lfm2-8b-a1b': 'LFM2-8B-A1B', 'qwen3-30b-a3b': 'Qwen3-30B-A3B', 'qwen3.5-4b': 'Qwen3.5-4B',
  'qwen3.5-35b-a3b': 'Qwen3.5-35B-A3B', 'gpt-oss-20b': 'gpt-oss-20b', 'qwen3-0.6b': 'Qwen3-0.6B', 'qwen3-4b': 'Qwen3-4B',
  'gemma-4-e2b': 'Gemma-4-E2B',
} as const satisfies Partial<Record<SynthModel, string>>;
const MODEL_NAMES = Object.keys(MODELS) as readonly (keyof typeof MODELS)[];

const APPLE = ['apple-m1', 'apple-m2', 'apple-m3', 'apple-m4', 'apple-m5'] as const satisfies readonly ProfileName[];

/** GB/s, as Apple states them: the plain chip of each generation, and the Max at its fastest. */
const CHIPS = { M1: 68, 'M2, M3': 100, M4: 120, M5: 153, 'M1 to M3 Max': 400, 'M4 Max': 546, 'M5 Max': 614 } as const;

/** Microseconds of a dispatch on Metal, which runs them one after the other: the least and the most that others report. */
const DISPATCH = { least: 1.3, most: 2 } as const;

/** Keys of a token whose keys are not split over workgroups, and of one whose are. */
const KEYS = { whole: 128, split: 4096 } as const;

interface Reports {
  readonly whole: StepReport;
  readonly split: StepReport;
}

function reportsOf(model: SynthModel, profile: ProfileName): Reports {
  const { layers } = synthPlan(model, 'q4_0').config;
  const plan = planOfShape({ model, type: 'q4_0', profile: PROFILES[profile], config: { layers } });
  return { whole: reportDecode(plan, KEYS.whole), split: reportDecode(plan, KEYS.split) };
}

/** Of the time of a token that reads at full bandwidth and waits for each dispatch, the share that is reading. */
function shareOf({ bytes, dispatches }: StepReport, bandwidth: number, dispatch: number): number {
  const reading = bytes / (bandwidth * 1e3);
  return reading / (reading + dispatches.length * dispatch);
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return [heads, heads.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function countTable(reports: ReadonlyMap<SynthModel, Reports>): string {
  const heads = ['model', 'layers', 'dispatches', 'with split keys', 'GB a token', `GB at ${KEYS.split} keys`];
  return table(heads, MODEL_NAMES.map((model) => {
    const { whole, split } = reports.get(model)!;
    const { layers } = synthPlan(model, 'q4_0').config;
    const counts = [layers, whole.dispatches.length, split.dispatches.length].map(String);
    return [MODELS[model], ...counts, ...[whole, split].map(({ bytes }) => (bytes / 1e9).toFixed(2))];
  }));
}

function shareTable(reports: ReadonlyMap<SynthModel, Reports>, keys: keyof Reports): string {
  const heads = Object.entries(CHIPS).map(([chip, bandwidth]) => `${chip}: ${bandwidth}`);
  return table(['model', ...heads], MODEL_NAMES.map((model) => [
    MODELS[model],
    ...Object.values(CHIPS).map((bandwidth) => {
      const [least, most] = [DISPATCH.most, DISPATCH.least].map((dispatch) => shareOf(reports.get(model)![keys], bandwidth, dispatch));
      return [least, most].map((share) => Math.round(100 * share!)).join('-');
    }),
  ]));
}

const SPLIT_FROM = PROFILES['apple-m4'].knobs.attention.splitFrom;

const page = (reports: ReadonlyMap<SynthModel, Reports>) => `# Plans of real models

Written by \`test/gpu/plan-table.test.ts\`; do not edit. **Everything here is computed from plans; nothing was measured on a Mac.**

## Dispatches and bytes of a decoded token

As \`ingot kernels model.gguf --profile apple-m4\` prints them, greedy sampling included, for files in q4_0 (\`ingot synth\`) with keys and
values in f16. The profiles of M1 to M5 decode alike. Bytes are what kernels read and write; of experts, those of the chosen ones. The first
count and the first bytes are of a token that attends to ${KEYS.whole} keys. From ${SPLIT_FROM} keys on they are split over
workgroups, and each layer of attention takes one more dispatch, which combines them.

${countTable(reports)}

## What dispatches leave of the bandwidth

How many percent of a token's time are reading, if every byte comes at the chip's full bandwidth (GB/s, as Apple states it) and every
dispatch costs ${DISPATCH.least} us (the second figure) or ${DISPATCH.most} us (the first) besides, which is what others report of Metal,
where dispatches run one after the other: \`bytes / bandwidth / (bytes / bandwidth + dispatches * cost)\`. That is a bound on what so many
dispatches allow, not a forecast: a kernel that reads at less than the full bandwidth takes longer. Held against a measurement, on an
H200: LFM2.5-1.2B would take 0.33 ms a token by this formula (4.3 TB/s, 2.05 us for an empty dispatch), and takes 0.56 ms
([experiments.md](experiments.md)).

At ${KEYS.whole} keys:

${shareTable(reports, 'whole')}

At ${KEYS.split} keys:

${shareTable(reports, 'split')}
`;

describe('docs/plans.md', () => {
  const reports = new Map<SynthModel, Reports>();
  /** Planned once, by the first test that asks. */
  const planned = (model: SynthModel): Reports => {
    const found = reports.get(model) ?? reportsOf(model, 'apple-m4');
    reports.set(model, found);
    return found;
  };

  it.each(MODEL_NAMES)('may say that M1 to M5 decode %s alike', { timeout: 300_000 }, (model) => {
    const lines = (report: StepReport) => report.dispatches.map(({ kernel, workgroups, bytes }) => [kernel.key, workgroups, bytes]);
    for (const profile of APPLE) {
      const own = reportsOf(model, profile);
      expect(lines(own.whole), profile).toEqual(lines(planned(model).whole));
      expect(lines(own.split), profile).toEqual(lines(planned(model).split));
    }
  });

  it('has what the plans say', { timeout: 300_000 }, async () => {
    MODEL_NAMES.forEach(planned);
    await expect(page(reports)).toMatchFileSnapshot('../../docs/plans.md');
  });
});
