/** What was said and when, and the forms in which it is written: plain text, SubRip, WebVTT and JSON. Pure. */

export interface TranscriptWord {
  /** Seconds from the beginning of the sound. */
  readonly start: number;
  readonly end: number;
  /** With the space before it where there is one. */
  readonly text: string;
}

/** Something said without a long pause. */
export interface TranscriptSegment {
  /** Seconds from the beginning of the sound. */
  readonly start: number;
  readonly end: number;
  /** Without space around it. */
  readonly text: string;
  /** Where they were asked for. */
  readonly words?: readonly TranscriptWord[] | undefined;
}

export interface Transcript {
  /** Of all segments, with spaces between. */
  readonly text: string;
  readonly segments: readonly TranscriptSegment[];
  /** Code of the language; undefined for a model that knows one only and does not say which. */
  readonly language: string | undefined;
  /** Length of the sound. */
  readonly seconds: number;
}

export const TRANSCRIPT_FORMS = ['txt', 'srt', 'vtt', 'json'] as const;
export type TranscriptForm = (typeof TRANSCRIPT_FORMS)[number];

/** How a form is written while segments come. */
export interface TranscriptWriter {
  /** What stands before all segments. */
  readonly head: string;
  segment(segment: TranscriptSegment): string;
  end(transcript: Transcript): string;
}

/** @param file name of the sound, for JSON */
export function transcriptWriter(form: TranscriptForm, file?: string): TranscriptWriter {
  switch (form) {
    case 'txt':
      return { head: '', segment: ({ text }) => (text === '' ? '' : `${text}\n`), end: () => '' };
    case 'srt': {
      let number = 0;
      const write = (segment: TranscriptSegment): string =>
        `${++number}\n${span(segment, ',')}\n${cueText(segment.text).replaceAll('-->', '->')}\n\n`;
      return { head: '', segment: (segment) => (segment.text === '' ? '' : write(segment)), end: () => '' };
    }
    case 'vtt': {
      const write = (segment: TranscriptSegment): string => `${span(segment, '.')}\n${escaped(cueText(segment.text))}\n\n`;
      return { head: 'WEBVTT\n\n', segment: (segment) => (segment.text === '' ? '' : write(segment)), end: () => '' };
    }
    case 'json':
      return {
        head: '', segment: () => '',
        end: ({ text, language, seconds, segments }) =>
          `${JSON.stringify({ file, language, seconds: rounded(seconds), text, segments: segments.map(plain) })}\n`,
      };
    default:
      throw new Error(`no such form: ${String(form satisfies never)}`);
  }
}

/** All of a transcript. */
export function writeTranscript(transcript: Transcript, form: TranscriptForm, file?: string): string {
  const writer = transcriptWriter(form, file);
  return [writer.head, ...transcript.segments.map((segment) => writer.segment(segment)), writer.end(transcript)].join('');
}

function plain({ start, end, text, words }: TranscriptSegment): TranscriptSegment {
  const timed = { start: rounded(start), end: rounded(end), text };
  if (words === undefined) return timed;
  return { ...timed, words: words.map((word) => ({ ...word, start: rounded(word.start), end: rounded(word.end) })) };
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

/** `00:01:02,345 --> 00:01:03,000`; the mark before the milliseconds is what the two forms differ in. */
function span({ start, end }: TranscriptSegment, mark: string): string {
  return `${clock(start, mark)} --> ${clock(Math.max(start, end), mark)}`;
}

function clock(seconds: number, mark: string): string {
  const ms = Math.round(Math.max(0, seconds) * 1000);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}${mark}${String(ms % 1000).padStart(3, '0')}`;
}

/** A blank line would end a cue. */
function cueText(text: string): string {
  return text.split(/\r\n|\r|\n/).map((line) => line.trim()).filter((line) => line !== '').join('\n');
}

/** WebVTT reads tags and references in cues; with `>` written as one, `-->` cannot stand there. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
