/** A microphone by a program that the system has: ALSA's arecord, SoX's rec, or ffmpeg. */
import { spawn, spawnSync } from 'node:child_process';
import type { AudioStream } from '../audio/audio-stream.ts';
import { openAudioPieces } from '../audio/open-audio.ts';
import { CapacityError } from '../tensor/errors.ts';

export interface Recorder {
  readonly program: string;
  /** WAV of one channel at 16 kHz to stdout, soon after it was said. */
  readonly args: readonly string[];
}

const FFMPEG_INPUT: Readonly<Record<string, readonly string[]>> = {
  darwin: ['-f', 'avfoundation', '-i', ':default'], win32: ['-f', 'dshow', '-i', 'audio=default'], linux: ['-f', 'alsa', '-i', 'default'],
};

/** A piece every 20 ms. */
const ALSA = ['-q', '-f', 'S16_LE', '-r', '16000', '-c', '1', '-F', '20000', '-t', 'wav', '-'];

function recorders(platform: string): readonly Recorder[] {
  const input = FFMPEG_INPUT[platform] ?? FFMPEG_INPUT['linux']!;
  return [
    ...(platform === 'linux' ? [{ program: 'arecord', args: ALSA }] : []),
    { program: 'rec', args: ['-q', '-t', 'wav', '-r', '16000', '-c', '1', '-b', '16', '-'] },
    { program: 'ffmpeg', args: ['-loglevel', 'error', ...input, '-ar', '16000', '-ac', '1', '-f', 'wav', '-'] },
  ];
}

export interface MicrophoneOptions {
  readonly signal: AbortSignal;
  /** The first Ctrl-C ends the recording, so that what was said before it is still heard. */
  readonly onInterrupt: (listener: (() => void) | undefined) => void;
}

/** @throws CapacityError where the system has none of the programs */
export function findRecorder(): Recorder {
  const all = recorders(process.platform);
  const recorder = all.find(({ program }) => spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined);
  if (recorder === undefined) {
    const names = all.map(({ program }) => program).join(', ');
    throw new CapacityError(`No program that records was found (${names}): install one, or pipe a WAV to "ingot transcribe -".`);
  }
  return recorder;
}

/** @throws as {@link findRecorder} */
export async function recordMicrophone({ signal, onInterrupt }: MicrophoneOptions): Promise<AudioStream> {
  const recorder = findRecorder();
  // In a group of its own: a terminal's Ctrl-C is for this process, which passes it on.
  const detached = process.platform !== 'win32';
  const child = spawn(recorder.program, recorder.args, { stdio: ['ignore', 'pipe', 'inherit'], detached, signal });
  // An abort is told by whoever reads the sound.
  child.on('error', () => {});
  onInterrupt(() => child.kill('SIGINT'));
  process.stderr.write(`ingot: listening with ${recorder.program}; Ctrl-C ends it\n`);
  return openAudioPieces(piecesOf(child.stdout, () => onInterrupt(undefined)), 'the microphone', { damaged: 'keep' });
}

async function* piecesOf(stream: AsyncIterable<Uint8Array>, onEnd: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } finally {
    onEnd();
  }
}
