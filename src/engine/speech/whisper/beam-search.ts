/**
 * Beam search as openai-whisper's `BeamSearchDecoder` has it, with the patience of Kasai et al. 2022: of the likeliest continuations of all
 * beams those that end are put aside, and the best others go on; it is over when beams times patience have ended. Pure.
 */
import { logSumExp } from './whisper-rules.ts';

export interface BeamSettings {
  /** Answers that are followed at a time. */
  readonly beams: number;
  /** Answers that may end before the search does, as a factor of `beams`. */
  readonly patience: number;
  /** Exponent of the length by which log probabilities are divided, as (5 + length) / 6; undefined: by the length itself. */
  readonly lengthPenalty?: number | undefined;
}

export interface Beam {
  /** Without the prompt, and without the end. */
  readonly ids: readonly number[];
  /** log p of all of them, and of the end where there is one. */
  readonly logProbability: number;
}

export interface BeamSearch {
  /** Those that go on, the likeliest first. At the beginning one without tokens. */
  readonly live: readonly Beam[];
  /** @param logits of what may follow each live beam, by the rules. @returns whether the search is over */
  advance(logits: readonly Float32Array[]): boolean;
  /** The best answer; of a search that is cut off those that have not ended count too, where too few have. */
  best(): Beam;
}

export function createBeamSearch({ beams, patience, lengthPenalty }: BeamSettings, endOfText: number): BeamSearch {
  const most = Math.max(1, halfToEven(beams * patience));
  const ended: Beam[] = [];
  let live: readonly Beam[] = [{ ids: [], logProbability: 0 }];
  const score = ({ ids, logProbability }: Beam): number =>
    logProbability / (lengthPenalty === undefined ? ids.length : ((5 + ids.length) / 6) ** lengthPenalty);
  return {
    get live() {
      return live;
    },
    advance(logits) {
      const next = live.flatMap((beam, i) => continuations(beam, logits[i]!, beams + 1))
        .toSorted((a, b) => b.beam.logProbability - a.beam.logProbability);
      if (next.length === 0) throw new Error('no token may follow: the logits hold no number, or the rules forbid all.');
      const kept: Beam[] = [];
      for (const { beam, id } of next) {
        if (kept.length === beams) break;
        if (id !== endOfText) kept.push({ ids: [...beam.ids, id], logProbability: beam.logProbability });
        else if (ended.length < most) ended.push(beam);
      }
      live = kept;
      return ended.length >= most || live.length === 0;
    },
    best() {
      const all = [...ended, ...live.slice(0, Math.max(0, beams - ended.length))];
      return all.reduce((best, beam) => (score(beam) > score(best) ? beam : best));
    },
  };
}

/** As Python rounds. */
function halfToEven(value: number): number {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

/** The likeliest tokens behind a beam, those that may follow, and its log probability with each. */
function continuations({ ids, logProbability }: Beam, logits: Float32Array, most: number): { readonly beam: Beam; readonly id: number }[] {
  const total = logSumExp(logits);
  return largestOf(logits, most).map((id) => ({ id, beam: { ids, logProbability: logProbability + logits[id]! - total } }));
}

/** Indices of the largest finite values, the largest first; of equal ones the lower index first. */
function largestOf(values: Float32Array, most: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (!(values[i]! > -Infinity) || (found.length === most && values[i]! <= values[found.at(-1)!]!)) continue;
    let at = found.length;
    while (at > 0 && values[i]! > values[found[at - 1]!]!) at--;
    found.splice(at, 0, i);
    if (found.length > most) found.pop();
  }
  return found;
}
