/** Sounds of `ingot transcribe`, one after another or several together: what is said goes to stdout, or to a file for each. */
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { SpeechModel } from '../engine/speech/speech-model.ts';
import type { TranscribeOptions } from '../engine/speech/transcribe-options.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { transcriptWriter } from '../text/transcript-formats.ts';
import type { Transcript, TranscriptForm, TranscriptSegment } from '../text/transcript-formats.ts';
import { createProgressDisplay } from './progress-display.ts';
import type { ProgressDisplay } from './progress-display.ts';
import { MICROPHONE, openSound } from './sound-input.ts';
import { printable } from './terminal.ts';
import type { TranscribeCall, TranscribeFlags } from './transcribe-flags.ts';

interface FilesCall extends TranscribeCall {
  readonly form: TranscriptForm;
}

/** Together where nothing that was asked for is of one sound at a time. */
export async function transcribeFiles(model: SpeechModel, files: readonly string[], call: FilesCall): Promise<void> {
  const { beams, patience, lengthPenalty, windows } = call;
  if (call.outputDir !== undefined) await mkdir(call.outputDir, { recursive: true });
  const display = createProgressDisplay(process.stderr);
  const outputs = createOutputs(files, call, display);
  try {
    const isOneByOne = files.length === 1 || (beams ?? patience ?? lengthPenalty ?? windows) !== undefined;
    const printing = { call, outputs, display };
    if (!isOneByOne) await together(model, files, printing);
    else for (const [index, file] of files.entries()) await transcribeOne(model, { file, index }, printing);
  } finally {
    display.clear();
  }
}

interface Printing {
  readonly call: FilesCall;
  readonly outputs: Outputs;
  readonly display: ProgressDisplay;
}

/** What the flags say of how a sound is heard. */
function saidOptions({ language, prompt, pieceSeconds, words, conditioned }: TranscribeFlags) {
  return {
    language, prompt, pieceSeconds, timestamps: words ? 'words' as const : undefined,
    // Where the flag is left out it is true, which no model has to know.
    conditioned: conditioned === false ? false : undefined,
  };
}

async function transcribeOne(
  model: SpeechModel, { file, index }: { readonly file: string; readonly index: number }, { call, outputs, display }: Printing,
): Promise<void> {
  const { language, beams, patience, lengthPenalty, windows, signal } = call;
  const sound = await openSound(file, call);
  const startMs = performance.now();
  const segments: TranscriptSegment[] = [];
  let seconds = 0;
  const onProgress: OnProgress = (event) => {
    seconds = event.loaded;
    display.onProgress(event);
  };
  const options: TranscribeOptions = { ...saidOptions(call), beams, patience, lengthPenalty, windows, signal, onProgress };
  for await (const segment of model.segments(sound, options)) {
    segments.push(segment);
    outputs.segment(index, segment);
  }
  await outputs.end(index, { text: segments.map(({ text }) => text).join(' '), segments, language, seconds });
  display.clear();
  reportSpeed(file === '-' ? 'stdin' : basename(file), seconds, { tookMs: performance.now() - startMs, isLive: file === MICROPHONE });
}

async function together(model: SpeechModel, files: readonly string[], { call, outputs, display }: Printing): Promise<void> {
  const startMs = performance.now();
  const written: Promise<void>[] = [];
  const transcripts = await model.transcribeAll(files.map((file) => () => openSound(file, call)), {
    ...saidOptions(call), signal: call.signal, onProgress: display.onProgress,
    onSegment: (segment, index) => outputs.segment(index, segment),
    onTranscript: (transcript, index) => {
      const writing = outputs.end(index, transcript);
      writing.catch(() => {});
      written.push(writing);
    },
  });
  await Promise.all(written);
  display.clear();
  const seconds = transcripts.reduce((sum, transcript) => sum + transcript.seconds, 0);
  reportSpeed(`${files.length} sounds`, seconds, { tookMs: performance.now() - startMs, isLive: false });
}

function reportSpeed(name: string, seconds: number, { tookMs, isLive }: { readonly tookMs: number; readonly isLive: boolean }): void {
  const factor = seconds > 0 && !isLive ? `, real-time factor ${(tookMs / 1000 / seconds).toFixed(3)}` : '';
  process.stderr.write(`ingot: ${printable(name)}: ${seconds.toFixed(1)} s of sound in ${(tookMs / 1000).toFixed(1)} s${factor}\n`);
}

/** The name of a sound's file in `--output-dir`. */
export function outputName(file: string, form: TranscriptForm): string {
  return `${file === '-' ? 'stdin' : basename(file, extname(file))}.${form}`;
}

/** Where texts go, of sounds by their index. */
interface Outputs {
  segment(index: number, segment: TranscriptSegment): void;
  end(index: number, transcript: Transcript): Promise<void>;
}

/** On stdout a sound's text comes when those of all before it are whole: what is heard meanwhile waits. */
function createOutputs(files: readonly string[], { form, outputDir }: FilesCall, display: ProgressDisplay): Outputs {
  const texts = files.map((file) => {
    const writer = transcriptWriter(form, file === '-' || file === MICROPHONE ? undefined : file);
    const head = outputDir === undefined && files.length > 1 && form === 'txt' ? `${printable(file)}:\n` : '';
    return { file, writer, waiting: head + writer.head, isWhole: false };
  });
  let first = 0;
  const print = (): void => {
    for (let own = texts[first]; own !== undefined; own = texts[first]) {
      if (own.waiting !== '' && process.stdout.isTTY) display.clear();
      process.stdout.write(own.waiting);
      own.waiting = '';
      if (!own.isWhole) return;
      first++;
    }
  };
  if (outputDir === undefined) print();
  return {
    segment(index, segment) {
      const own = texts[index]!;
      own.waiting += own.writer.segment(segment);
      if (outputDir === undefined) print();
    },
    async end(index, transcript) {
      const own = texts[index]!;
      own.waiting += own.writer.end(transcript);
      own.isWhole = true;
      if (outputDir === undefined) return print();
      await writeFile(join(outputDir, outputName(own.file, form)), own.waiting);
      own.waiting = '';
    },
  };
}
