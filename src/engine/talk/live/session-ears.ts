/** What a session hears: sound of any rate as it comes, cut into turns, whose texts are heard while they are said. */
import { checkSampleRate, checkSamples, joinSamples } from '../../../audio/audio-stream.ts';
import type { StreamStage, Waveform } from '../../../audio/audio-stream.ts';
import { createResampler } from '../../../audio/resample.ts';
import { SILERO_RATE, SILERO_SAMPLES } from '../../../audio/silero-frames.ts';
import type { TurnOptions } from '../../../audio/turn-taking.ts';
import { CapacityError, InputError } from '../../../tensor/errors.ts';
import type { CancelSignal } from '../../../tensor/platform.ts';
import { createTurns } from '../../speech/in-turn.ts';
import { createTurnCutter } from '../../speech/sound-turns.ts';
import type { OpenPart, SoundPart, TurnCut, TurnCutter } from '../../speech/sound-turns.ts';
import { TurnHearing } from '../../speech/turn-hearing.ts';
import type { VoiceDetector } from '../../speech/voice-detector.ts';
import type { ComingSound } from '../hear-sound.ts';
import { TurnSound } from './turn-sound.ts';
import type { TurnPart } from './turn-sound.ts';

/** Somebody's turn. */
export interface HeardTurn {
  readonly itemId: string;
  /** Of 16 kHz, since the session began. */
  readonly startSample: number;
  endSample: number;
  /** Where the talker hears sounds itself. */
  readonly parts: TurnPart[];
  /** Of its parts, in order; none where the talker tells no texts. */
  readonly texts: Promise<string>[];
}

export interface EarsHost {
  readonly detector: VoiceDetector;
  readonly recognise?: ((part: SoundPart, signal: CancelSignal) => Promise<string>) | undefined;
  /** Where the talker hears sounds itself: what takes one of 16 kHz as it comes. */
  readonly openSound?: (() => ComingSound) | undefined;
  readonly mostTurnSeconds: number;
  /** Whether an answer sounds that may be interrupted. */
  isOtherSpeaking(): boolean;
  newItemId(): string;
  onFrame(probability: number, atSample: number): void;
  onStart(turn: HeardTurn): void;
  onPartial(turn: HeardTurn, text: string): void;
  onEnd(turn: HeardTurn): void;
}

/** As those of a sound that is transcribed: a sentence with its pauses is heard better than its parts. */
const TURNS: TurnOptions = { endSilenceMs: 600, preRollMs: 300, postRollMs: 200 };
const PARTIAL_MS = 500;
/** Turns that wait to be heard: then the sound waits too. */
const MOST_WAITING = 2;
/** Samples that are listened to at a time, so that who speaks is known as it changes. */
const PIECE_SAMPLES = 1024;
/** Of a turn that only {@link SessionEars.commit} ends. */
const MOST_HELD_SECONDS = 600;

/** How turns are cut for a talker. */
export function turnsOf(turns: TurnOptions | undefined, mostTurnSeconds: number): TurnOptions {
  // Whole frames, of which a turn is no more than fits.
  const frameMs = (1000 * SILERO_SAMPLES) / SILERO_RATE;
  return { ...TURNS, maxTurnMs: frameMs * Math.floor((1000 * mostTurnSeconds) / frameMs), ...turns };
}

export class SessionEars {
  readonly #host: EarsHost;
  readonly #inTurn = createTurns();
  readonly #inEar = createTurns();
  #resampler: { readonly rate: number; readonly stage: StreamStage } | undefined;
  #cutter: TurnCutter | undefined;
  #hearing: TurnHearing | undefined;
  /** Where the cutter began. */
  #base = 0;
  #heard = 0;
  /** With turns `none`: since the last. */
  #held: Float32Array[] = [];
  readonly #sound: TurnSound | undefined;
  #turn: HeardTurn | undefined;
  /** Whether the turn goes on in a new part. */
  #goesOn = false;
  #waiting = 0;
  #isFollowing = false;
  #wake: (() => void)[] = [];

  constructor(host: EarsHost, turns: TurnOptions | 'none' | undefined) {
    this.#host = host;
    const { openSound, mostTurnSeconds } = host;
    this.#sound = openSound && new TurnSound({ open: openSound, mostSamples: mostTurnSeconds * SILERO_RATE });
    this.#open(turns);
  }

  /** Whether a turn goes on, or sound is held that a commit makes one. */
  get isHearing(): boolean {
    return this.#turn !== undefined || this.#held.length > 0;
  }

  #open(turns: TurnOptions | 'none' | undefined): void {
    if (turns === 'none') return;
    const { detector, recognise, mostTurnSeconds } = this.#host;
    const options = turnsOf(turns, mostTurnSeconds);
    let frames = 0;
    const base = this.#base;
    this.#cutter = createTurnCutter(detector, options, (probability) => this.#host.onFrame(probability, base + 512 * ++frames));
    if (recognise === undefined) return;
    const textOf = async (part: SoundPart, { signal }: { readonly signal: CancelSignal }) => ({ text: await recognise(part, signal) });
    this.#hearing = new TurnHearing({ recognise: textOf, partialMs: PARTIAL_MS, turns: options });
  }

  /** Cuts turns anew from here on; one that goes on is forgotten. */
  setTurns(turns: TurnOptions | 'none' | undefined): Promise<void> {
    return this.#inTurn(async () => {
      this.#forget();
      this.#cutter?.close();
      this.#cutter = undefined;
      this.#hearing?.abort(new Error('turns are cut anew'));
      this.#hearing = undefined;
      this.#base = this.#heard;
      this.#open(turns);
    });
  }

  /** @throws InputError for what is no sound: nothing of it is heard */
  async hear({ samples, sampleRate }: Waveform): Promise<void> {
    checkSampleRate('sampleRate', sampleRate);
    checkSamples(samples);
    await this.#inTurn(() => this.#take(this.#resampled(samples, sampleRate)));
    while (this.#waiting >= MOST_WAITING) await new Promise<void>((resolve) => void this.#wake.push(resolve));
  }

  #resampled(samples: Float32Array, rate: number): Float32Array {
    const before = this.#resampler?.rate === rate ? new Float32Array(0) : this.#resampler?.stage.end();
    if (this.#resampler?.rate !== rate) this.#resampler = { rate, stage: createResampler({ from: rate, to: SILERO_RATE }) };
    const made = this.#resampler.stage.push(samples);
    return before === undefined || before.length === 0 ? made : joinSamples([before, made]);
  }

  async #take(samples: Float32Array): Promise<void> {
    if (this.#cutter === undefined) {
      if (this.#heldSamples() + samples.length > MOST_HELD_SECONDS * SILERO_RATE)
        throw new CapacityError(`A turn without turn taking has ${MOST_HELD_SECONDS} s at most: commit what was said, or clear it.`);
      // What a resampler passes through may be its caller's own.
      if (samples.length > 0) this.#held.push(samples.slice());
      this.#heard += samples.length;
      this.#sound?.follow(this.#heldPart());
      return;
    }
    for (let at = 0; at < samples.length; at += PIECE_SAMPLES) {
      const piece = samples.subarray(at, at + PIECE_SAMPLES);
      this.#cutter.setOtherSpeaking(this.#host.isOtherSpeaking());
      this.#heard += piece.length;
      this.#decide(await this.#cutter.push(piece));
    }
  }

  #heldSamples(): number {
    return this.#held.reduce((sum, { length }) => sum + length, 0);
  }

  /** What is held, of which nothing is asked twice. */
  #heldPart(): OpenPart {
    const length = this.#heldSamples();
    return {
      startSample: this.#heard - length - this.#base, length, quietMs: 0,
      samples: (offset = 0) => samplesFrom(this.#held, offset),
    };
  }

  #decide(cuts: readonly TurnCut[]): void {
    for (const [i, cut] of cuts.entries()) {
      if (cut.kind === 'start') this.#start(this.#base + cut.startSample);
      else {
        const next = cuts[i + 1];
        // One who speaks longer than is heard at once goes on, where what was said is text by then.
        this.#goesOn = cut.reason === 'length' && next?.kind === 'start' && this.#host.recognise !== undefined;
        this.#endPart(cut.part);
      }
    }
    const ended = cuts.flatMap((cut) => (cut.kind === 'end' ? [cut.part] : []));
    const open = this.#cutter?.open();
    this.#hearing?.update(ended, open);
    if (this.#turn !== undefined) this.#sound?.follow(open);
    void this.#follow();
  }

  #start(startSample: number): void {
    if (this.#goesOn && this.#turn !== undefined) return;
    this.#turn = { itemId: this.#host.newItemId(), startSample, endSample: startSample, parts: [], texts: [] };
    this.#host.onStart(this.#turn);
  }

  #endPart(part: SoundPart): void {
    const turn = this.#turn!;
    turn.endSample = this.#base + part.startSample + part.samples.length;
    if (this.#host.recognise === undefined) turn.parts.push(this.#sound?.end(part) ?? part);
    else turn.texts.push(this.#textOf(part));
    if (this.#goesOn) return;
    this.#turn = undefined;
    this.#host.onEnd(turn);
  }

  #textOf(part: SoundPart): Promise<string> {
    this.#waiting++;
    const hearing = this.#hearing;
    const text = this.#inEar(async () => {
      try {
        const { recognise } = this.#host;
        const heard = hearing === undefined ? await recognise!(part, new AbortController().signal) : await hearing.final(part);
        if (heard === undefined) throw new InputError('The session was closed, or its turns were cut anew, before the turn was heard.');
        return heard;
      } finally {
        this.#waiting--;
        for (const wake of this.#wake.splice(0)) wake();
      }
    });
    // It is told when the turn is over.
    text.catch(() => {});
    return text;
  }

  /** Partial texts of the turn that goes on; what fails of them is told by its final text. */
  async #follow(): Promise<void> {
    const [hearing, cutter] = [this.#hearing, this.#cutter];
    if (this.#isFollowing || hearing === undefined || cutter === undefined) return;
    this.#isFollowing = true;
    try {
      for (;;) {
        const turn = this.#turn;
        const text = await this.#inEar(async () => {
          const part = turn === this.#turn ? hearing.partToHear(cutter.open()) : undefined;
          return part === undefined ? 'none' as const : { heard: await hearing.partial(part) };
        });
        if (text === 'none' || turn === undefined) return;
        const before = await Promise.all(turn.texts);
        if (text.heard !== undefined && text.heard !== '' && turn === this.#turn)
          this.#host.onPartial(turn, [...before, text.heard].filter((each) => each !== '').join(' '));
      }
    } catch {
      return;
    } finally {
      this.#isFollowing = false;
    }
  }

  /** @returns the turn's item. @throws InputError where nothing was said */
  commit(): Promise<string> {
    return this.#inTurn(async () => {
      if (this.#cutter === undefined) {
        if (this.#held.length === 0) throw nothingHeard();
        const samples = joinSamples(this.#held);
        this.#held = [];
        this.#start(this.#heard - samples.length);
        const { itemId } = this.#turn!;
        this.#goesOn = false;
        this.#endPart({ startSample: this.#heard - samples.length - this.#base, samples });
        return itemId;
      }
      const { itemId } = this.#turn ?? {};
      if (itemId === undefined) throw nothingHeard();
      this.#decide(this.#cutter.cut());
      return itemId;
    });
  }

  /** Forgets the sound of a turn that is not over. */
  clear(): Promise<void> {
    return this.#inTurn(async () => this.#forget());
  }

  #forget(): void {
    this.#held = [];
    this.#sound?.forget();
    this.#turn = undefined;
    this.#goesOn = false;
    this.#cutter?.cut();
  }

  close(reason: unknown): void {
    this.#forget();
    this.#hearing?.abort(reason);
    this.#cutter?.close();
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Those of all parts together, from `offset` on. */
function samplesFrom(parts: readonly Float32Array[], offset: number): Float32Array {
  let at = parts.reduce((sum, { length }) => sum + length, 0);
  let first = parts.length;
  while (first > 0 && at > offset) at -= parts[--first]!.length;
  return joinSamples(parts.slice(first)).subarray(offset - at);
}

function nothingHeard(): InputError {
  return new InputError('There is no turn to commit: nothing was said since the last one.');
}
