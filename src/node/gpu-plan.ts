/** What a GPU would run for a model, from its file's header alone: no device, no weights. */
import { kvLayoutOf, prefillRowsOf, resolveContextLength, resolveKvTypes } from '../engine/model-room.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { ModelPlan } from '../gpu/plan/model-plan.ts';
import { PROFILE_NAMES, PROFILES } from '../gpu/profile/profiles.ts';
import { profileFor } from '../gpu/profile/profile-for.ts';
import type { DeviceProfile, ProfileName } from '../gpu/profile/device-profile.ts';
import type { KvChoice } from '../graph/kv-types.ts';
import { textGraphOf } from '../graph/model-graphs.ts';
import { sourceOf } from '../graph/weight-lookup.ts';
import { openDecoder } from '../models/open-decoder.ts';
import type { DecoderModel } from '../models/open-decoder.ts';
import { visionSizes } from '../models/vision.ts';
import { InputError } from '../tensor/errors.ts';
import { findAdapter } from './gpu-adapter.ts';
import { locate } from './open-path.ts';

export interface GpuPlanChoices {
  /** Default: the profile of this machine's GPU, else {@link DEFAULT_PROFILE}. */
  readonly profile?: string | undefined;
  /** Which of this machine's GPUs; default: the first. */
  readonly gpu?: number | undefined;
  readonly contextLength?: number | undefined;
  /** Positions that the plan has room for at least, as far as the model has them. */
  readonly keys?: number | undefined;
  readonly kvType?: KvChoice | undefined;
  /** The file of a GGUF model's tower. Default: the one beside it. */
  readonly mmproj?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What plans are printed for where there is no GPU: what the kernels are made for first. */
const DEFAULT_PROFILE: ProfileName = 'apple-m4';

/** @throws InputError for an unknown name */
async function resolveProfile({ profile: name, gpu }: GpuPlanChoices): Promise<DeviceProfile> {
  if (name === undefined) {
    const found = await findAdapter('hardware', { index: gpu });
    return found.adapter === undefined ? PROFILES[DEFAULT_PROFILE] : profileFor(found.facts);
  }
  const known = PROFILE_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new InputError(`There is no profile ${JSON.stringify(name)}; there are ${PROFILE_NAMES.join(', ')}.`);
  return PROFILES[known];
}

export interface ProfilePlan extends ModelPlan {
  /** The most positions that the model was made for. */
  readonly modelContextLength: number;
}

/** @throws as loadModel, for files, options and models that the kernels have no form for */
export async function planForProfile(pathOrUrl: string, choices: GpuPlanChoices = {}): Promise<ProfilePlan> {
  const { signal } = choices;
  const profile = await resolveProfile(choices);
  const checkpoint = await openCheckpoint(await locate(pathOrUrl, { signal, reads: 'headers', mmproj: choices.mmproj }), { signal });
  try {
    const contextLength = (ofModel: number) => resolveContextLength(choices.contextLength, ofModel);
    return await planOfProfile(await openDecoder(checkpoint, { signal, contextLength }), profile, choices);
  } finally {
    await checkpoint.close();
  }
}

/** As {@link planForProfile}, of a model that is open and this machine's GPU. */
export async function planForMachine(decoder: DecoderModel, choices: Omit<GpuPlanChoices, 'profile'>): Promise<ProfilePlan> {
  return planOfProfile(decoder, await resolveProfile(choices), choices);
}

async function planOfProfile(decoder: DecoderModel, profile: DeviceProfile, choices: GpuPlanChoices): Promise<ProfilePlan> {
  const modelContextLength = decoder.config.contextLength;
  const contextLength = Math.max(
    resolveContextLength(choices.contextLength, modelContextLength),
    Math.min(choices.keys ?? 0, modelContextLength),
  );
  const kv = kvLayoutOf(contextLength, resolveKvTypes(choices.kvType, decoder));
  const typeOf = (id: string) => sourceOf(decoder, id).type;
  // Planner and kernels are a third of the package.
  const { planModel } = await import('../gpu/plan/model-plan.ts');
  const rows = Math.min(prefillRowsOf(textGraphOf(decoder.model), profile), contextLength);
  const sizes = { rows, ...(decoder.vision && visionSizes(decoder.vision)) };
  const plan = planModel({ model: decoder.model, typeOf, profile, kv, sizes });
  return { ...plan, modelContextLength };
}
