/** A model that speaks, of its folder: Kokoro, with the voices beside it. */
import type { CheckpointLocation } from '../../files/open-checkpoint.ts';
import { openVoiceFolder } from '../../files/voice-folder.ts';
import type { Executor } from '../../graph/executor.ts';
import { openKokoro, readSourceWeights } from '../../models/kokoro/kokoro.ts';
import { checkInteger } from '../../tensor/option-names.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import { createKokoroSpeaker } from './kokoro/kokoro-speaker.ts';
import { voiceFiles } from './voice-files.ts';
import { createVoiceModel } from './voice-model.ts';
import type { Phonemizer, VoiceModel } from './voice-model.ts';

export const MOST_FRAMES = 400;

export interface OpenVoiceModelOptions {
  readonly executor: Executor;
  /** Frames of 25 ms that are made at once, at most. Default {@link MOST_FRAMES}. */
  readonly mostFrames?: number | undefined;
  readonly phonemizer: Phonemizer;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** @throws InputError for a setting that cannot be meant; FormatError for files that are missing or damaged; as {@link Executor.load} */
export async function openVoiceModel(
  { folder, fileName }: CheckpointLocation,
  { executor, mostFrames = MOST_FRAMES, phonemizer, signal, onProgress }: OpenVoiceModelOptions,
): Promise<VoiceModel> {
  checkMostFrames(mostFrames);
  const checkpoint = await openVoiceFolder(folder, weightsNameOf(fileName), { signal });
  try {
    const opened = openKokoro(checkpoint);
    const { config } = opened;
    const source = await readSourceWeights(checkpoint, config, { signal });
    const voices = await voiceFiles(folder, 2 * config.style);
    const speaker = await createKokoroSpeaker({ ...opened, source }, executor, { mostFrames, signal, onProgress });
    const { name, architecture } = checkpoint;
    const info = { name, architecture, device: executor.description, warnings: config.warnings };
    return createVoiceModel({ info, speaker, voices, phonemizer });
  } finally {
    await checkpoint.close();
  }
}

/** @throws InputError */
export function checkMostFrames(mostFrames: number | undefined): void {
  checkInteger('mostFrames', mostFrames, { min: 50, max: 4000 });
}

/** The file of weights that is meant; undefined: one of the names that such models have. */
export function weightsNameOf(fileName: string | undefined): string | undefined {
  return fileName === 'config.json' ? undefined : fileName;
}
