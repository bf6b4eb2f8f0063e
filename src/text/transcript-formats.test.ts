import { describe, expect, it } from 'vitest';
import { writeTranscript } from './transcript-formats.ts';
import type { Transcript } from './transcript-formats.ts';

const TRANSCRIPT: Transcript = {
  text: 'Hello. A & B <i> --> done',
  language: 'en',
  seconds: 3725.50049,
  segments: [
    { start: 0.0004, end: 1.9999, text: 'Hello.', words: [{ start: 0.0004, end: 1.23456, text: 'Hello.' }] },
    { start: 2, end: 2.5, text: '' },
    { start: 3724.25, end: 3725.5, text: 'A & B\n\n<i> --> done' },
    { start: 360_000, end: 359_999, text: 'late' },
  ],
};

describe('writeTranscript', () => {
  it('as text', () => {
    expect(writeTranscript(TRANSCRIPT, 'txt')).toBe('Hello.\nA & B\n\n<i> --> done\nlate\n');
  });

  it('as SubRip: numbers, commas, no blank line in a cue', () => {
    expect(writeTranscript(TRANSCRIPT, 'srt')).toBe(
      '1\n00:00:00,000 --> 00:00:02,000\nHello.\n\n' +
        '2\n01:02:04,250 --> 01:02:05,500\nA & B\n<i> -> done\n\n' +
        '3\n100:00:00,000 --> 100:00:00,000\nlate\n\n',
    );
  });

  it('as WebVTT: points, what would be a tag written out', () => {
    expect(writeTranscript(TRANSCRIPT, 'vtt')).toBe(
      'WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nHello.\n\n' +
        '01:02:04.250 --> 01:02:05.500\nA &amp; B\n&lt;i&gt; --&gt; done\n\n' +
        '100:00:00.000 --> 100:00:00.000\nlate\n\n',
    );
  });

  it('as JSON, a line of it', () => {
    const text = writeTranscript(TRANSCRIPT, 'json', 'a.wav');
    expect(text.endsWith('\n') && !text.slice(0, -1).includes('\n')).toBe(true);
    expect(JSON.parse(text)).toMatchObject({
      file: 'a.wav', language: 'en', seconds: 3725.5, text: TRANSCRIPT.text,
      segments: [{ start: 0, end: 2, text: 'Hello.', words: [{ start: 0, end: 1.235, text: 'Hello.' }] }, {}, { start: 3724.25 }, {}],
    });
  });
});
