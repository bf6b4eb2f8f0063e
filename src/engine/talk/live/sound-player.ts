/** Where an answer is heard, with a clock that says how much of it was. */

export interface SoundPlayer {
  /** Begins a sound of this rate: samples are counted from here. */
  begin(sampleRate: number): void;
  /** Takes the next samples. Resolves when there is room for more, so that speech is not made hours ahead; also where it was stopped. */
  play(samples: Float32Array): Promise<void>;
  /** Samples of the sound that were heard by now. */
  readonly played: number;
  /** Silence at once, from which `resume` goes on with what comes next. */
  pause(): void;
  resume(): void;
  /** Silence at once: what was not heard is dropped. Resolves what `play` and `finish` wait for. */
  stop(): void;
  /** Resolves when all that was given was heard, or it was stopped. */
  finish(): Promise<void>;
}
