/** Silero's voice detector, of its file. */
import { readSafetensors } from '../../files/safetensors-reader.ts';
import type { Executor } from '../../graph/executor.ts';
import { openSilero } from '../../models/silero.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { createVoiceDetector } from './voice-detector.ts';
import type { VoiceDetector } from './voice-detector.ts';

/**
 * @param source of a safetensors file, which is closed
 * @throws FormatError for another file; the signal's reason when it aborts
 */
export async function openVoiceDetector(
  source: ByteSource,
  executor: Executor,
  { signal }: { readonly signal?: CancelSignal | undefined } = {},
): Promise<VoiceDetector> {
  try {
    const model = await openSilero(source.name, await readSafetensors(source, source.name, { signal }), { signal });
    return await createVoiceDetector(model, executor, { signal });
  } finally {
    await source.close();
  }
}
