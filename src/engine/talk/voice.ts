/** Speech of frames of codes: the vocoder's spectra and the sound of them, with the state that both keep from frame to frame. */
import { joinSamples } from '../../audio/audio-stream.ts';
import type { GraphRun, RunResults } from '../../graph/executor.ts';
import { EMPTY_SLOT } from '../../graph/state-sizes.ts';
import { SPECTRA_PER_FRAME, TALK } from '../../models/lfm2-audio-graphs.ts';
import { createFrameVoice } from './frame-voice.ts';
import type { FrameVoice } from './frame-voice.ts';
import { spectraRun } from './talk-runs.ts';
import { MOST_STEPS_AHEAD } from './talk-sequence.ts';

/** Frames of a run of the vocoder: those of a list of steps. */
export const MOST_SPANS = MOST_STEPS_AHEAD;
/** Slots of a voice: its state is read from one and written to the other. */
export const VOICE_SLOTS = 2;

interface VoiceParts {
  readonly run: (runs: readonly GraphRun[]) => Promise<RunResults>;
  readonly bins: number;
  /** As many as hold what its window sees and a run's rows. */
  readonly pages: readonly number[];
  readonly pageTokens: number;
  readonly slots: readonly number[];
  readonly release: () => void;
}

/** Sound of the frames of one answer, as they come. A call at a time. */
export class Voice {
  readonly #parts: VoiceParts;
  readonly #sound: FrameVoice;
  readonly #table: number[] = [];
  #frames = 0;
  #turn = 0;
  #isOpen = true;

  constructor(parts: VoiceParts) {
    this.#parts = parts;
    this.#sound = createFrameVoice(parts.bins);
  }

  /** Frames that were spoken. */
  get frames(): number {
    return this.#frames;
  }

  /** Samples at 24 kHz that these frames and those before decide; a frame that ends the speech is none of them. */
  async push(frames: readonly (readonly number[])[]): Promise<Float32Array> {
    const parts: Float32Array[] = [];
    for (let first = 0; first < frames.length; first += MOST_SPANS) {
      const own = frames.slice(first, first + MOST_SPANS);
      const [result] = await this.#parts.run([spectraRun(own, this.#frames, this.#place(own.length))]);
      parts.push(this.#sound.push(result!.get(TALK.vocoder.spectrum)!));
      this.#frames += own.length;
      this.#turn = 1 - this.#turn;
    }
    return joinSamples(parts);
  }

  /** The pages of what its window sees come around. */
  #place(frames: number) {
    const { pages, slots, pageTokens } = this.#parts;
    const end = SPECTRA_PER_FRAME * (this.#frames + frames);
    while (this.#table.length * pageTokens < end) this.#table.push(pages[this.#table.length % pages.length]!);
    const read = this.#frames === 0 ? EMPTY_SLOT : slots[this.#turn]!;
    return { pages: [[], this.#table], slots: { read, write: slots[1 - this.#turn]! } };
  }

  end(): Float32Array {
    return this.#sound.end();
  }

  close(): void {
    if (this.#isOpen) this.#parts.release();
    this.#isOpen = false;
  }
}
