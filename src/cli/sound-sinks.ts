/** Where speech is written: a WAV file, or WAV to a pipe. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { wavHeader } from '../audio/wav-writer.ts';
import type { SoundSink } from './loudspeaker.ts';

/** WAV of 16 bits, one channel. @param path "-" is stdout */
export async function openSoundFile(path: string, sampleRate: number): Promise<SoundSink> {
  const headerOf = (frames: number | undefined) => wavHeader({ sampleRate, channels: 1 }, frames);
  return path === '-' ? stdoutSink(headerOf(undefined)) : fileSink(path, headerOf);
}

async function stdoutSink(header: Uint8Array): Promise<SoundSink> {
  const write = (bytes: Uint8Array) => new Promise<void>((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
  await write(header);
  return { write, end: async () => {} };
}

/** The header is written again when its sizes are known. */
async function fileSink(path: string, headerOf: (frames: number | undefined) => Uint8Array): Promise<SoundSink> {
  const file: FileHandle = await open(path, 'w');
  await file.write(headerOf(undefined));
  return {
    async write(bytes) {
      await file.write(bytes);
    },
    async end(dataBytes) {
      const header = headerOf(dataBytes / 2);
      await file.write(header, 0, header.length, 0);
      await file.close();
    },
  };
}
