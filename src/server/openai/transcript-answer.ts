/** A transcript in the forms that requests ask for. */
import { writeTranscript } from '../../text/transcript-formats.ts';
import type { Transcript, TranscriptSegment } from '../../text/transcript-formats.ts';
import type { AudioFormat } from './audio-parameters.ts';

export interface TranscriptAnswer {
  readonly transcript: Transcript;
  readonly format: AudioFormat;
  readonly task: 'transcribe' | 'translate';
  /** Those of `timestamp_granularities`. */
  readonly times: readonly ('word' | 'segment')[];
  /** Code of what was spoken, where the model knows one language alone. */
  readonly onlyLanguage: string | undefined;
}

/** What OpenAI's models of speech count by. */
export function durationUsage(seconds: number) {
  return { type: 'duration', seconds: Math.ceil(seconds) };
}

/** `english`, of `en`. */
function languageName(code: string): string {
  return (new Intl.DisplayNames(['en'], { type: 'language' }).of(code) ?? code).toLowerCase();
}

/** To whole milliseconds. */
const rounded = (seconds: number): number => Math.round(seconds * 1000) / 1000;

const spanOf = ({ start, end }: Pick<TranscriptSegment, 'start' | 'end'>) => ({ start: rounded(start), end: rounded(end) });

/** Of a segment what is known: its tokens and their probabilities are not told by the models here. */
function verboseJson({ transcript: { text, segments, language, seconds }, task, times, onlyLanguage }: TranscriptAnswer) {
  const code = task === 'translate' ? 'en' : (language ?? onlyLanguage);
  const timed = segments.map((segment, id) => ({ id, ...spanOf(segment), text: segment.text }));
  const words = segments.flatMap((segment) => segment.words ?? []).map((word) => ({ word: word.text.trim(), ...spanOf(word) }));
  return {
    task, language: code === undefined ? '' : languageName(code), duration: rounded(seconds), text,
    ...(times.includes('segment') ? { segments: timed } : {}),
    ...(times.includes('word') ? { words } : {}),
    usage: durationUsage(seconds),
  };
}

export function transcriptResponse(answer: TranscriptAnswer): Response {
  const { transcript, format, task } = answer;
  const plain = (text: string, type = 'text/plain') => new Response(text, { headers: { 'content-type': `${type}; charset=utf-8` } });
  switch (format) {
    case 'json':
      return Response.json({ text: transcript.text, ...(task === 'translate' ? {} : { usage: durationUsage(transcript.seconds) }) });
    case 'verbose_json':
      return Response.json(verboseJson(answer));
    case 'text':
      return plain(`${transcript.text}\n`);
    case 'srt':
      return plain(writeTranscript(transcript, 'srt'));
    case 'vtt':
      return plain(writeTranscript(transcript, 'vtt'), 'text/vtt');
    default:
      throw new Error(`no such format: ${String(format satisfies never)}`);
  }
}
