/** Who speaks when: from probabilities of speech to turns, with what was said before a turn was noticed, and interruptions. Pure. */
import { InputError } from '../tensor/errors.ts';
import { checkOptionNames } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';

export interface TurnOptions {
  /** Milliseconds of sound that a probability is of. Default 32: 512 samples at 16 kHz. */
  readonly frameMs?: number | undefined;
  /** From this probability on a frame is speech. Default 0.5. */
  readonly threshold?: number | undefined;
  /** Below this one a frame of a turn is silence; what lies between goes on as it was. Default: `threshold` less 0.15, at least 0.01. */
  readonly release?: number | undefined;
  /** Speech that makes a turn: shorter is a click. Default 96. */
  readonly minSpeechMs?: number | undefined;
  /** Silence that ends a turn. Default 300. */
  readonly endSilenceMs?: number | undefined;
  /** Sound that a turn begins with before its first speech, as far as no earlier turn has it. Default 200. */
  readonly preRollMs?: number | undefined;
  /** Sound that a turn keeps behind its last speech: at most `endSilenceMs`. Default 100. */
  readonly postRollMs?: number | undefined;
  /** A turn is cut at this length with its pre-roll, at the least probable frame of its last third; the next has the rest. Default: no. */
  readonly maxTurnMs?: number | undefined;
  /** While the other side speaks, speech of this length interrupts it: longer than a "yes". Default 320. */
  readonly bargeInMs?: number | undefined;
}

const TURN_OPTIONS: NamesOf<TurnOptions> = {
  frameMs: true, threshold: true, release: true, minSpeechMs: true, endSilenceMs: true, preRollMs: true, postRollMs: true, maxTurnMs: true,
  bargeInMs: true,
};

/** Frames are counted from the first probability; a turn is frames [from, to). */
export type TurnEvent =
  /** Speech over the other side's: it is to stop. A `start` of the same turn follows at once. */
  | { readonly kind: 'barge-in'; readonly from: number }
  | { readonly kind: 'start'; readonly from: number }
  | { readonly kind: 'end'; readonly from: number; readonly to: number; readonly reason: 'silence' | 'length' | 'closed' };

export interface OpenTurn {
  readonly from: number;
  /** Where it would end if nothing more were said. */
  readonly to: number;
  /** Frames since its last speech. */
  readonly quiet: number;
}

export interface TurnTaking {
  /** What the next frame's probability decides: mostly nothing. */
  push(probability: number): readonly TurnEvent[];
  /** The turn that goes on; undefined while nobody speaks. */
  open(): OpenTurn | undefined;
  /** Whether the other side speaks: then `bargeInMs` stands for `minSpeechMs`. */
  setOtherSpeaking(isSpeaking: boolean): void;
  /** The sound is over: ends a turn that goes on. */
  close(): readonly TurnEvent[];
}

/** Speech that is no turn yet: its first frame, how many are speech, and how many of silence came last. */
interface Candidate {
  readonly from: number;
  readonly speech: number;
  readonly silence: number;
}

type Bounds = Pick<ReturnType<typeof framesOf>, 'threshold' | 'release'>;

function candidateAfter(before: Candidate | undefined, at: number, probability: number, bounds: Bounds): Candidate | undefined {
  if (probability >= bounds.threshold) return { from: before?.from ?? at, speech: (before?.speech ?? 0) + 1, silence: 0 };
  if (before === undefined || (probability >= bounds.release && before.silence === 0)) return before;
  // A frame of silence between two of speech belongs to a word; two end it.
  return before.silence > 0 ? undefined : { ...before, silence: 1 };
}

/** @throws InputError for options that cannot be meant; `push` throws it for what is no probability */
export function createTurnTaking(options: TurnOptions = {}): TurnTaking {
  const frames = framesOf(options);
  let count = 0;
  let isOtherSpeaking = false;
  /** First frame that no turn has. */
  let free = 0;
  let candidate: Candidate | undefined;
  let turn: Turn | undefined;

  const endOf = ({ lastSpeech }: Turn) => Math.min(count, lastSpeech + 1 + frames.postRoll);
  const begin = (from: number, events: TurnEvent[], lastSpeech: number): void => {
    turn = { from, lastSpeech, probabilities: [] };
    candidate = undefined;
    events.push({ kind: 'start', from });
  };
  const end = ({ from }: Turn, to: number, reason: 'silence' | 'length' | 'closed', events: TurnEvent[]): void => {
    events.push({ kind: 'end', from, to, reason });
    free = to;
    turn = undefined;
  };
  const waitForTurn = (at: number, probability: number, events: TurnEvent[]): void => {
    candidate = candidateAfter(candidate, at, probability, frames);
    if (candidate === undefined || candidate.speech < (isOtherSpeaking ? frames.bargeIn : frames.minSpeech)) return;
    const from = Math.max(free, candidate.from - frames.preRoll);
    if (isOtherSpeaking) events.push({ kind: 'barge-in', from });
    begin(from, events, at);
  };
  const goOn = (open: Turn, at: number, probability: number, events: TurnEvent[]): void => {
    open.probabilities.push(probability);
    if (probability >= frames.release) open.lastSpeech = at;
    if (at - open.lastSpeech >= frames.endSilence) {
      end(open, endOf(open), 'silence', events);
    } else if (at + 1 - open.from >= frames.maxTurn) {
      const cut = leastProbable(open, at + 1, Math.ceil(frames.maxTurn / 3));
      const { lastSpeech, probabilities } = open;
      end(open, cut, 'length', events);
      // Where all that follows is silence, the turn is over.
      if (lastSpeech < cut) return;
      begin(cut, events, lastSpeech);
      turn!.probabilities.push(...probabilities.slice(probabilities.length - (at + 1 - cut)));
    }
  };
  return {
    push(probability) {
      if (!(probability >= 0 && probability <= 1)) throw new InputError(`a probability is from 0 to 1, found ${String(probability)}.`);
      const events: TurnEvent[] = [];
      const at = count++;
      if (turn === undefined) waitForTurn(at, probability, events);
      else goOn(turn, at, probability, events);
      return events;
    },
    open: () => turn && { from: turn.from, to: endOf(turn), quiet: count - 1 - turn.lastSpeech },
    setOtherSpeaking: (isSpeaking) => void (isOtherSpeaking = isSpeaking),
    close() {
      const events: TurnEvent[] = [];
      if (turn !== undefined) end(turn, endOf(turn), 'closed', events);
      return events;
    },
  };
}

/** @throws InputError for options that {@link createTurnTaking} would refuse */
export function checkTurnOptions(options: TurnOptions): void {
  framesOf(options);
}

interface Turn {
  readonly from: number;
  lastSpeech: number;
  /** Of its frames since it was noticed. */
  readonly probabilities: number[];
}

/** The frame among the last `room` before `end` at which speech is least probable; `end` where none was kept. */
function leastProbable({ probabilities }: Turn, end: number, room: number): number {
  let best = end;
  let least = Infinity;
  for (let back = 1; back <= Math.min(room, probabilities.length); back++) {
    const probability = probabilities[probabilities.length - back]!;
    if (probability < least) [least, best] = [probability, end - back];
  }
  return best;
}

interface TurnFrames {
  readonly threshold: number;
  readonly release: number;
  readonly minSpeech: number;
  readonly endSilence: number;
  readonly preRoll: number;
  readonly postRoll: number;
  readonly maxTurn: number;
  readonly bargeIn: number;
}

function framesOf(options: TurnOptions): TurnFrames {
  checkOptionNames(options, TURN_OPTIONS, 'createTurnTaking');
  const { frameMs = 32, threshold = 0.5 } = options;
  if (!(frameMs > 0 && frameMs < Infinity)) throw new InputError(`frameMs must be more than 0, found ${String(frameMs)}.`);
  if (!(threshold > 0 && threshold < 1)) throw new InputError(`threshold must be between 0 and 1, found ${String(threshold)}.`);
  const release = options.release ?? Math.max(0.01, threshold - 0.15);
  if (!(release > 0 && release <= threshold))
    throw new InputError(`release must be more than 0 and at most threshold (${threshold}), found ${String(release)}.`);
  const count = (name: keyof TurnOptions, byDefault: number, least: number): number => {
    const ms = options[name] ?? byDefault;
    if (!(ms >= 0)) throw new InputError(`${name} must be milliseconds of at least 0, found ${String(ms)}.`);
    return Math.max(least, Math.round(ms / frameMs));
  };
  const endSilence = count('endSilenceMs', 300, 1);
  const preRoll = count('preRollMs', 200, 0);
  const bargeIn = count('bargeInMs', 320, 1);
  const minSpeech = count('minSpeechMs', 96, 1);
  const maxTurn = count('maxTurnMs', Infinity, 1);
  if (maxTurn <= preRoll + Math.max(minSpeech, bargeIn))
    throw new InputError(`maxTurnMs must be more than preRollMs and minSpeechMs or bargeInMs together, found ${options.maxTurnMs}.`);
  const postRoll = Math.min(endSilence, count('postRollMs', 100, 0));
  return { threshold, release, minSpeech, endSilence, preRoll, postRoll, maxTurn, bargeIn };
}
