/** Whether a folder's front end is the one that is here (`audio/nemo-features.ts`). */
import { NEMO_HOP, NEMO_RATE } from '../../../audio/nemo-features.ts';
import type { Checkpoint, JsonObject, JsonValue } from '../../../tensor/checkpoint.ts';
import { FormatError } from '../../../tensor/errors.ts';
import { isJsonObject } from '../../../tensor/json.ts';
import { parseJsonObject } from '../../../tensor/parse-json.ts';

/** Names of transformers' ParakeetFeatureExtractor, and the only values that are obeyed. */
function expectedOf(bins: number): Readonly<Record<string, readonly JsonValue[]>> {
  return {
    feature_size: [bins], hop_length: [NEMO_HOP], n_fft: [512], win_length: [400], preemphasis: [0.97], sampling_rate: [NEMO_RATE],
    padding_value: [0], feature_extractor_type: ['ParakeetFeatureExtractor'],
  };
}

/** @throws FormatError that names the setting, for a folder whose features are others; nothing where it does not say */
export function checkFrontEnd({ assets, name }: Pick<Checkpoint, 'assets' | 'name'>, bins: number): void {
  for (const [file, settings] of frontEnds({ assets, name })) {
    for (const [key, values] of Object.entries(expectedOf(bins))) {
      const found = settings[key];
      if (found === undefined || found === null || values.includes(found)) continue;
      throw new FormatError(
        `${name}: ${file}: ${key} must be ${JSON.stringify(values[0])} for this model, found ${JSON.stringify(found)}: other features ` +
          'are not supported.',
      );
    }
  }
}

/** Newer folders have it within processor_config.json. */
function frontEnds({ assets, name }: Pick<Checkpoint, 'assets' | 'name'>): readonly (readonly [string, JsonObject])[] {
  return (['preprocessor_config.json', 'processor_config.json'] as const).flatMap((file) => {
    const text = assets.get(file);
    if (text === undefined) return [];
    const settings = parseJsonObject(text, `${name}: ${file}`);
    const inner = settings['feature_extractor'];
    return [[file, isJsonObject(inner) ? inner : settings] as const];
  });
}
