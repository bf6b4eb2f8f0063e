/** A sound that a command line names: a file, a pipe, samples without a header, or the microphone. */
import { createReadStream } from 'node:fs';
import type { AudioStream } from '../audio/audio-stream.ts';
import { openAudio, openAudioPieces } from '../audio/open-audio.ts';
import { readPcm } from '../audio/pcm-reader.ts';
import { fileSource } from '../node/file-source.ts';
import { recordMicrophone } from './microphone.ts';
import type { MicrophoneOptions } from './microphone.ts';

/** Stands for a file's name. */
export const MICROPHONE = 'microphone';

export interface SoundInput extends MicrophoneOptions {
  /** Takes what there is of a damaged file. */
  readonly damaged?: boolean | undefined;
  /** Hz of 16-bit samples of one channel, which stdin is. */
  readonly pcm?: number | undefined;
}

/** @param file a path, "-" for stdin, or {@link MICROPHONE} */
export async function openSound(file: string, { damaged, pcm, signal, onInterrupt }: SoundInput): Promise<AudioStream> {
  const options = { damaged: damaged ? 'keep' : 'refuse', signal } as const;
  const stdin = process.stdin as AsyncIterable<Uint8Array>;
  if (file === MICROPHONE) return recordMicrophone({ signal, onInterrupt });
  if (file === '-' && pcm !== undefined) return readPcm(stdin, 'stdin', { sampleRate: pcm, channels: 1 });
  if (file === '-') return openAudioPieces(stdin, 'stdin', options);
  // A named pipe has no size: fileSource refuses it.
  if (file.startsWith('/dev/')) return openAudioPieces(createReadStream(file), file, options);
  return openAudio(await fileSource(file), options);
}

/** What is wrong with a file's header is told before a model is loaded. */
export async function checkReadable(file: string, input: SoundInput): Promise<void> {
  if (file === '-' || file === MICROPHONE || file.startsWith('/dev/')) return;
  const { chunks } = await openSound(file, input);
  const pieces = chunks[Symbol.asyncIterator]();
  // Leaving it closes the file, once it has begun.
  await pieces.next();
  await pieces.return?.();
}
