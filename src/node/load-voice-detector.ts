import { openVoiceDetector } from '../engine/speech/open-voice-detector.ts';
import type { VoiceDetector } from '../engine/speech/voice-detector.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { fileSource } from './file-source.ts';
import { openExecutor } from './load-model.ts';
import type { LoadModelOptions } from './load-model.ts';

export interface LoadVoiceDetectorOptions extends Pick<LoadModelOptions, 'device'> {
  readonly signal?: CancelSignal | undefined;
}

/**
 * Loads Silero's voice detector for 16 kHz from a safetensors file; one thread is enough for it.
 * @param options `device` is the CPU where it is not said: a piece is too little work for a GPU
 * @throws FormatError for another file; the signal's reason when it aborts
 */
export async function loadVoiceDetector(path: string, { device = 'cpu', signal }: LoadVoiceDetectorOptions = {}): Promise<VoiceDetector> {
  const executor = await openExecutor({ device, threads: device === 'cpu' ? 1 : undefined });
  return openVoiceDetector(await fileSource(path), executor, { signal });
}
