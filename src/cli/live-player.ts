/**
 * A loudspeaker that falls silent at once: the program that plays gets sound as the clock goes, little ahead of it, and is ended where it
 * is to be silent. What was heard is told by the clock.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { encodeSamples } from '../audio/wav-samples.ts';
import type { SoundPlayer } from '../engine/talk/live/sound-player.ts';
import { CapacityError } from '../tensor/errors.ts';
import type { Player } from './loudspeaker.ts';

/** Sound that the program has ahead of the clock. */
const LEAD_MS = 100;
const STEP_MS = 20;
/** Sound that waits here; more is waited for. */
const MOST_WAITING_MS = 3000;

export interface LivePlayer extends SoundPlayer {
  /** Ends the program. */
  close(): void;
}

/** @param playerOf the program for a rate */
export function createLivePlayer(playerOf: (sampleRate: number) => Player): LivePlayer {
  return new ProgramPlayer(playerOf);
}

class ProgramPlayer implements LivePlayer {
  readonly #playerOf: (sampleRate: number) => Player;
  #rate = 24_000;
  #child: ChildProcess | undefined;
  #failure: Error | undefined;
  /** From `#first` on: what was heard before it is gone. */
  #waiting: Float32Array[] = [];
  #first = 0;
  #given = 0;
  #written = 0;
  /** While it sounds: since when, and which sample that was. */
  #clock: { readonly sinceMs: number; readonly from: number } | undefined;
  #position = 0;
  #isPaused = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #wake: (() => void)[] = [];

  constructor(playerOf: (sampleRate: number) => Player) {
    this.#playerOf = playerOf;
  }

  get played(): number {
    if (this.#clock === undefined) return this.#position;
    const { sinceMs, from } = this.#clock;
    return Math.min(this.#written, from + Math.floor(((performance.now() - sinceMs) * this.#rate) / 1000));
  }

  begin(sampleRate: number): void {
    this.#silence();
    this.#rate = sampleRate;
    [this.#waiting, this.#first, this.#given, this.#written, this.#position, this.#isPaused] = [[], 0, 0, 0, 0, false];
  }

  async play(samples: Float32Array): Promise<void> {
    this.#waiting.push(samples);
    this.#given += samples.length;
    this.#run();
    await this.#until(() => ((this.#given - this.played) * 1000) / this.#rate <= MOST_WAITING_MS);
  }

  pause(): void {
    this.#isPaused = true;
    this.#silence();
  }

  resume(): void {
    this.#isPaused = false;
    this.#run();
  }

  stop(): void {
    this.#silence();
    this.#isPaused = false;
    this.#waiting = [];
    [this.#first, this.#given, this.#written] = [this.#position, this.#position, this.#position];
    this.#changed();
  }

  async finish(): Promise<void> {
    await this.#until(() => this.played >= this.#given);
    // What the program holds back is still heard.
    this.#child?.stdin?.end();
    this.#child = undefined;
    this.#rest();
  }

  close(): void {
    this.stop();
  }

  /** Goes on from where it is, if there is anything to be heard. */
  #run(): void {
    if (this.#isPaused || this.#clock !== undefined || this.#position >= this.#given) return;
    this.#child ??= this.#start();
    this.#clock = { sinceMs: performance.now(), from: this.#position };
    this.#timer = setInterval(() => this.#step(), STEP_MS);
    this.#step();
  }

  #start(): ChildProcess {
    const { program, args } = this.#playerOf(this.#rate);
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit'] });
    const fail = (): void => {
      if (this.#child !== child) return;
      this.#failure = new CapacityError(`${program} ended before the speech did: is there a loudspeaker?`);
      this.#rest();
      this.#changed();
    };
    child.on('error', fail);
    child.on('exit', fail);
    child.stdin.on('error', () => {});
    return child;
  }

  #step(): void {
    if (this.#clock === undefined) return;
    const { sinceMs, from } = this.#clock;
    const target = from + Math.ceil(((performance.now() - sinceMs + LEAD_MS) * this.#rate) / 1000);
    this.#write(Math.min(this.#given, target));
    // Nothing more is there: the clock stands until something comes.
    if (this.played >= this.#given) this.#rest();
    this.#changed();
  }

  #write(end: number): void {
    let at = this.#first;
    for (const samples of this.#waiting) {
      const [from, to] = [Math.max(0, this.#written - at), Math.min(samples.length, end - at)];
      if (to > from) {
        this.#child?.stdin?.write(encodeSamples(samples.subarray(from, to), 'int16'));
        this.#written += to - from;
      }
      at += samples.length;
    }
    // What was heard is not said again.
    const heard = this.played;
    while (this.#waiting.length > 0 && this.#first + this.#waiting[0]!.length <= heard) this.#first += this.#waiting.shift()!.length;
  }

  /** The clock stands where it is. */
  #rest(): void {
    this.#position = this.played;
    this.#clock = undefined;
    clearInterval(this.#timer);
  }

  #silence(): void {
    this.#rest();
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
    // What the program had and nobody heard is given again.
    this.#written = this.#position;
  }

  async #until(isDone: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (isDone()) return;
      await new Promise<void>((resolve) => void this.#wake.push(resolve));
    }
  }

  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
