/** `ingot transcribe --live`: what a turn says so far on a line of the terminal, and what it said as the form asked for. */
import type { AudioStream } from '../audio/audio-stream.ts';
import type { SpeechModel } from '../engine/speech/speech-model.ts';
import type { ListenOptions } from '../engine/speech/transcribe-options.ts';
import type { LiveEvent } from '../engine/speech/live-turns.ts';
import { transcriptWriter } from '../text/transcript-formats.ts';
import type { TranscriptForm, TranscriptSegment } from '../text/transcript-formats.ts';
import { UsageError } from './exit-codes.ts';
import { createStatusLine } from './status-line.ts';
import { createTerminal } from './terminal.ts';

export interface LivePrinting {
  readonly sound: AudioStream;
  readonly form: TranscriptForm;
  /** Name of the sound, for messages. */
  readonly file: string;
  readonly options: Pick<ListenOptions, 'language' | 'prompt' | 'signal'>;
}

/** Prints until the sound is over. A status line is drawn on a terminal alone: elsewhere JSON has the partial texts. */
export async function printLive(model: SpeechModel, { sound, form, file, options }: LivePrinting): Promise<void> {
  if (!model.info.isLive) throw new UsageError(`${model.info.architecture} cannot follow speech: leave out --live.`);
  const { language, prompt, signal } = options;
  const terminal = createTerminal(process.stderr);
  const status = createStatusLine(terminal);
  const writer = transcriptWriter(form, file);
  const segments: TranscriptSegment[] = [];
  let seconds = 0;
  const write = (text: string): void => {
    if (text === '') return;
    status.clear();
    process.stdout.write(text);
  };
  const print = (event: LiveEvent): void => {
    if (event.kind === 'partial' && terminal.canRedraw) status.show(event.segment.text);
    if (form === 'json') return write(`${JSON.stringify(lineOf(event))}\n`);
    if (event.kind !== 'final') return;
    status.clear();
    segments.push(event.segment);
    write(writer.segment(event.segment));
  };
  try {
    if (form !== 'json') write(writer.head);
    const onProgress = ({ loaded }: { readonly loaded: number }): void => void (seconds = loaded);
    for await (const event of model.listen(sound, { language, prompt, signal, onProgress })) print(event);
    if (form !== 'json') write(writer.end({ text: segments.map(({ text }) => text).join(' '), segments, language, seconds }));
  } finally {
    status.clear();
  }
}

/** {"event":"final","start":1.2,"end":3.4,"text":"..."} */
function lineOf(event: LiveEvent): object {
  return event.kind === 'start' ? { event: event.kind, start: event.start } : { event: event.kind, ...event.segment };
}
