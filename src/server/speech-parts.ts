/** What models of text hear and speak with: which of the server's models, and what tells speech from silence. */
import type { VoiceDetector } from '../engine/speech/voice-detector.ts';
import { InputError } from '../tensor/errors.ts';
import { checkOptionNames } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { ModelKind, ServerSpeech } from './api.ts';
import type { ModelPool } from './model-pool/model-pool.ts';

export interface SpeechParts {
  /** Its own name; undefined where no model hears. */
  readonly ears: string | undefined;
  /** As {@link ears}, of the model that speaks. */
  readonly voice: string | undefined;
  /** Loaded once; undefined where there is none. @throws what its loader does */
  detector(): Promise<VoiceDetector | undefined>;
  /** Frees what was loaded. */
  close(): Promise<void>;
}

const NAMES: NamesOf<ServerSpeech> = { ears: true, voice: true, detector: true };

/** @throws InputError for a name that is no model of its kind */
export function createSpeechParts(options: ServerSpeech = {}, models: ModelPool): SpeechParts {
  checkOptionNames(options, NAMES, 'speech');
  const { detector } = options;
  if (detector !== undefined && typeof detector !== 'function')
    throw new InputError('speech.detector must be a function that loads one: () => loadVoiceDetector(path).');
  let loading: Promise<VoiceDetector> | undefined;
  return {
    ears: nameOf('ears', options.ears, { kind: 'speech', models }),
    voice: nameOf('voice', options.voice, { kind: 'voice', models }),
    async detector() {
      loading ??= detector?.();
      try {
        return await loading;
      } catch (error) {
        // The next session tries again.
        loading = undefined;
        throw error;
      }
    },
    async close() {
      await loading?.then((one) => one.dispose(), () => {});
      loading = undefined;
    },
  };
}

function nameOf(
  option: string, given: string | undefined, { kind, models }: { readonly kind: ModelKind; readonly models: ModelPool },
): string | undefined {
  const names = models.names.filter((name) => models.describe(name).kind === kind);
  if (given === undefined) return names[0];
  const found = names.find((name) => name === given || models.describe(name).aliases.includes(given));
  if (found !== undefined) return found;
  const there = names.length === 0 ? 'there is none' : `there is ${names.join(', ')}`;
  const does = kind === 'voice' ? 'speaks' : 'hears';
  throw new InputError(`speech.${option} must name a model that ${does}, found ${JSON.stringify(given)}: ${there}.`);
}
