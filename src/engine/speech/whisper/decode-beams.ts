/** A window by beam search: the beams are courses of tokens over one sound, whose memory they share. */
import type { HeardSound } from '../../sound-decoder.ts';
import { createBeamSearch } from './beam-search.ts';
import type { Beam, BeamSettings } from './beam-search.ts';
import { applyWhisperRules, logProbability } from './whisper-rules.ts';
import type { DecodedWindow, WindowRequest } from './window-request.ts';

/** Tokens whose keys and values a course has. */
interface Course {
  readonly sound: HeardSound;
  fed: readonly number[];
}

export async function decodeBeams(request: WindowRequest & { readonly beams: BeamSettings }, most: number): Promise<DecodedWindow> {
  const { decoder, sound, prompt, rules, tokens, signal, beams } = request;
  const { vocabSize } = decoder;
  const courses: Course[] = [{ sound, fed: [] }];
  const start = prompt.indexOf(tokens.startOfTranscript);
  const search = createBeamSearch(beams, tokens.endOfText);
  try {
    let noSpeechProbability: number | undefined;
    for (let length = 0; length < most; length++) {
      const { live } = search;
      while (courses.length < live.length) courses.push({ sound: decoder.branch(sound), fed: [] });
      const steps = assigned(live, courses, prompt).map(([beam, course]) => follow(course, [...prompt, ...beam.ids]));
      // The first step also gives the logits behind the token that starts a transcript.
      const outputs = noSpeechProbability === undefined && start < prompt.length - 1 ? [start, prompt.length - 1] : undefined;
      const all = await decoder.logits(outputs === undefined ? steps : [{ ...steps[0]!, outputs }], signal);
      noSpeechProbability ??= Math.exp(logProbability(all.subarray(0, vocabSize), tokens.noSpeech));
      const first = outputs === undefined ? 0 : 1;
      const logits = live.map(({ ids }, i) => {
        const own = all.slice((first + i) * vocabSize, (first + i + 1) * vocabSize);
        applyWhisperRules(own, ids, rules, tokens);
        return own;
      });
      if (search.advance(logits)) break;
    }
    const { ids, logProbability: sum } = search.best();
    return { ids, noSpeechProbability: noSpeechProbability ?? 0, meanLogProbability: sum / (ids.length + 1) };
  } finally {
    for (const course of courses.slice(1)) course.sound.close();
  }
}

/** A course for each beam, in the beams' order: the one, of those that are left, that has most of its tokens. */
function assigned(live: readonly Beam[], courses: readonly Course[], prompt: readonly number[]): [Beam, Course][] {
  const left = [...courses];
  return live.map((beam) => {
    const shared = left.map(({ fed }) => commonLength(fed, [...prompt, ...beam.ids]));
    return [beam, left.splice(shared.indexOf(Math.max(...shared)), 1)[0]!];
  });
}

/** The step that takes a course to these tokens, from where they part with those it has. */
function follow(course: Course, tokens: readonly number[]) {
  const { sound, fed } = course;
  const common = Math.min(commonLength(fed, tokens), tokens.length - 1);
  sound.rewind(common);
  course.fed = tokens;
  const own = tokens.slice(common);
  return { sound, tokens: own, outputs: [own.length - 1] };
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  const end = a.findIndex((id, i) => id !== b[i]);
  return end < 0 ? Math.min(a.length, b.length) : end;
}
