/** Sampling options: defaults filled in and every number checked, once, at the edge. */
import type { SamplingSettings } from '../graph/sampling.ts';
import { InputError } from '../tensor/errors.ts';
import type { SamplingOptions } from './api.ts';

type SettingName = Exclude<keyof SamplingSettings, 'logitBias'>;
type Penalties = Omit<Pick<SamplingSettings, SettingName>, 'seed'>;

const NEUTRAL: Penalties = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

const LEGAL: { readonly [Name in SettingName]: { readonly range: string; readonly holds: (value: number) => boolean } } = {
  temperature: { range: 'a finite number of at least 0', holds: (value) => value >= 0 && value < Infinity },
  topK: { range: 'an integer of at least 0 (0 is off)', holds: (value) => Number.isSafeInteger(value) && value >= 0 },
  topP: { range: 'above 0 and at most 1 (1 is off)', holds: (value) => value > 0 && value <= 1 },
  minP: { range: 'from 0 to 1 (0 is off)', holds: (value) => value >= 0 && value <= 1 },
  repetitionPenalty: { range: 'a finite number above 0 (1 is off)', holds: (value) => value > 0 && value < Infinity },
  presencePenalty: { range: 'from -2 to 2 (0 is off)', holds: (value) => value >= -2 && value <= 2 },
  frequencyPenalty: { range: 'from -2 to 2 (0 is off)', holds: (value) => value >= -2 && value <= 2 },
  seed: { range: 'an integer from 0 to 2^53 - 1', holds: (value) => Number.isSafeInteger(value) && value >= 0 },
};

function randomSeed(): number {
  const words = crypto.getRandomValues(new Uint32Array(2));
  return (words[0] as number) + ((words[1] as number) & 0x1fffff) * 0x1_0000_0000;
}

/** A setting as a caller or a file gave it. @throws InputError naming the setting, its legal range and what was found. */
export function checkSetting(name: SettingName, value: unknown, source = ''): number {
  const rule = LEGAL[name];
  if (typeof value === 'number' && rule.holds(value)) return value;
  const found = typeof value === 'number' ? String(value) : `${typeof value} ${JSON.stringify(value) ?? ''}`.trim();
  throw new InputError(`${name}${source} must be ${rule.range}, found ${found}.`);
}

/**
 * The caller's options over the model's defaults over neutral ones; a random seed where none is given.
 * @throws InputError for the first setting that is out of range.
 */
export function resolveSampling(options: SamplingOptions, modelDefaults: SamplingOptions = {}): SamplingSettings {
  const resolve = (name: keyof Penalties): number => {
    if (options[name] !== undefined) return checkSetting(name, options[name]);
    const fromModel = modelDefaults[name];
    if (fromModel === undefined) return NEUTRAL[name];
    return checkSetting(name, fromModel, ", a default in the model's file that this call does not override,");
  };
  return {
    temperature: resolve('temperature'),
    topK: resolve('topK'),
    topP: resolve('topP'),
    minP: resolve('minP'),
    repetitionPenalty: resolve('repetitionPenalty'),
    presencePenalty: resolve('presencePenalty'),
    frequencyPenalty: resolve('frequencyPenalty'),
    seed: options.seed === undefined ? randomSeed() : checkSetting('seed', options.seed),
  };
}
