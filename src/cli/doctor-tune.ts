/** `ingot doctor --tune`: tries a few knobs of the profile on the GPU that is here, by the shapes of models, and keeps what wins twice. */
import { planOfShape } from '../bench/plan-of-shape.ts';
import { openGpuDevice } from '../gpu/device/gpu-device.ts';
import type { GpuDevice } from '../gpu/device/gpu-device.ts';
import type { DecoderPlan, ModelPlan } from '../gpu/plan/model-plan.ts';
import { profileFor } from '../gpu/profile/profile-for.ts';
import type { DeviceProfile } from '../gpu/profile/device-profile.ts';
import { createProfileTimer } from '../gpu/tuning/time-profiles.ts';
import { shapeClassOfModel, tunablesOf } from '../gpu/tuning/tunables.ts';
import type { ShapeClass } from '../gpu/tuning/tunables.ts';
import { tuneKnobs } from '../gpu/tuning/tune-knobs.ts';
import type { KnobResult } from '../gpu/tuning/tune-knobs.ts';
import { resultText } from '../gpu/tuning/tuning-record.ts';
import type { ClassTuning } from '../gpu/tuning/tuning-record.ts';
import { standInWeights } from '../gpu/tuning/stand-in-weights.ts';
import { synthPlan } from '../models/synth-shapes.ts';
import type { SynthModel } from '../models/synth-shapes.ts';
import { findAdapter } from '../node/gpu-adapter.ts';
import type { AdapterKind } from '../node/gpu-adapter.ts';
import { tuningStore } from '../node/tuning-store.ts';
import { parseDevice } from '../node/device-choice.ts';
import type { DeviceChoice } from '../node/device-choice.ts';
import { CapacityError } from '../tensor/errors.ts';
import type { FoundTuning } from './doctor-gpu.ts';
import { UsageError } from './exit-codes.ts';
import { tableLines } from './text-table.ts';

/** Tunes a device and prints what came of it, on stderr as it comes. @throws CapacityError where there is none */
export async function tune(
  device: DeviceChoice = 'gpu', { signal, json }: { readonly signal: AbortSignal; readonly json: boolean },
): Promise<void> {
  const { kind, index } = parseDevice(device);
  // A CPU in the guise of a GPU takes minutes for a layer, and is there for tests.
  if (kind !== 'auto' && kind !== 'gpu')
    throw new UsageError(`The device "${device}" is not tuned: --device takes gpu or gpu:N.`);
  const report = await tuneGpu({
    kind: 'hardware', index, signal,
    onResult: (model, result) => void process.stderr.write(`${model}: ${resultText(result)}\n`),
  });
  if (json) return void process.stdout.write(`${JSON.stringify(report)}\n`);
  const { path, classes } = report;
  const rows = tuningRows({ path, classes: Object.fromEntries(classes.map(({ shape, ...tuning }) => [shape, tuning])) });
  process.stdout.write(`${tableLines(rows).join('\n')}\n`);
}

/** What is known of each class of models, for people. */
export function tuningRows({ path, classes, problem }: FoundTuning): readonly (readonly string[])[] {
  const ofClasses = Object.entries(classes).map(([shape, { model, deviceMs, isWhole, knobs }]) => {
    const taken = knobs.filter(({ outcome }) => outcome === 'taken').map(resultText);
    const end = isWhole ? '' : ', which ended before the last';
    const tried = `${knobs.length} knobs tried, ${(deviceMs / 1000).toFixed(1)} s of the device${end}`;
    return [`${shape} models`, `by ${model}: ${taken.length === 0 ? 'the profile stays as it is' : taken.join('; ')} (${tried})`];
  });
  return [...ofClasses, ['file', path], ...(problem === undefined ? [] : [['problem', problem]])];
}

export interface TuneReport {
  readonly path: string;
  readonly profile: string;
  readonly classes: readonly (ClassTuning & { readonly shape: ShapeClass })[];
}

export interface TuneChoices {
  readonly kind: AdapterKind;
  readonly index?: number | undefined;
  readonly signal: AbortSignal;
  /** Default: a model of each class. */
  readonly models?: readonly SynthModel[] | undefined;
  readonly onResult?: ((model: string, result: KnobResult) => void) | undefined;
}

const MODELS: readonly SynthModel[] = ['qwen3-0.6b', 'qwen3-4b', 'qwen3-8b'];

/** @throws CapacityError where there is no such GPU */
export async function tuneGpu({ kind, index, signal, models = MODELS, onResult }: TuneChoices): Promise<TuneReport> {
  const found = await findAdapter(kind, { index });
  if (found.adapter === undefined) throw new CapacityError(`There is nothing to tune: ${found.problem}.`);
  const profile = profileFor(found.facts);
  const store = tuningStore(found.facts, profile);
  store.check();
  const gpu = await openGpuDevice(found.adapter);
  const classes: (ClassTuning & { shape: ShapeClass })[] = [];
  try {
    for (const model of models) {
      const plan = planOfShape({ model, type: 'q4_0', profile, config: { layers: synthPlan(model, 'q4_0').config.layers } });
      const shape = shapeClassOfModel(plan.options.model);
      if (plan.decoder === undefined || shape === undefined) throw new Error(`${model} makes no tokens`);
      const told = (result: KnobResult) => onResult?.(model, result);
      const tuning = await tuneClass(gpu, { ...plan, decoder: plan.decoder }, { model, profile, signal, told });
      await store.keep(shape, tuning);
      classes.push({ shape, ...tuning });
    }
  } finally {
    gpu.destroy();
  }
  return { path: store.path, profile: profile.name, classes };
}

interface ClassOptions {
  readonly model: string;
  readonly profile: DeviceProfile;
  readonly signal: AbortSignal;
  readonly told: (result: KnobResult) => void;
}

async function tuneClass(
  gpu: GpuDevice, plan: ModelPlan & { readonly decoder: DecoderPlan }, { model, profile, signal, told }: ClassOptions,
): Promise<ClassTuning> {
  let deviceMs = 0;
  const weights = await standInWeights(gpu, plan.weights);
  try {
    const time = createProfileTimer({
      gpu, plan, weights,
      mayWork: async () => signal.throwIfAborted(),
      onWork: (milliseconds) => void (deviceMs += milliseconds),
    });
    const knobs = await tuneKnobs({ profile, tunables: tunablesOf(profile), time, onResult: told });
    return { time: new Date().toISOString(), model, deviceMs: Math.round(deviceMs), isWhole: true, knobs };
  } finally {
    weights.destroy();
  }
}
