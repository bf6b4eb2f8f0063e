/** What is made of a turn's sound while it is said, for a model that hears by itself. */
import type { OpenPart, SoundPart } from '../../speech/sound-turns.ts';
import type { ComingSound, HeardSound } from '../hear-sound.ts';

/** A part of a turn with what the model's ears take of it, where that was made as it came. */
export interface TurnPart extends SoundPart {
  readonly heard?: HeardSound | undefined;
}

export interface TurnSoundParts {
  /** Of 16 kHz. */
  readonly open: () => ComingSound;
  /** Of a sound; one that is longer is told of where it is answered. */
  readonly mostSamples: number;
}

export class TurnSound {
  readonly #parts: TurnSoundParts;
  #coming: { readonly startSample: number; readonly sound: ComingSound; length: number } | undefined;

  constructor(parts: TurnSoundParts) {
    this.#parts = parts;
  }

  /** Takes what came of the part that goes on, as far as it would be kept if nothing more were said: that is kept in any case. */
  follow(part: OpenPart | undefined): void {
    if (part === undefined || part.length > this.#parts.mostSamples) return;
    if (this.#coming?.startSample !== part.startSample)
      this.#coming = { startSample: part.startSample, sound: this.#parts.open(), length: 0 };
    this.#take(part.length, (offset) => part.samples(offset));
  }

  /** The part is over. One that was cut before what had been taken of it is heard as a whole, later. */
  end(part: SoundPart): TurnPart {
    if (this.#coming?.startSample !== part.startSample) return part;
    const { length, sound } = this.#coming;
    if (part.samples.length < length || part.samples.length > this.#parts.mostSamples) {
      this.#coming = undefined;
      return part;
    }
    this.#take(part.samples.length, (offset) => part.samples.subarray(offset));
    this.#coming = undefined;
    return { ...part, heard: sound.end() };
  }

  #take(length: number, from: (offset: number) => Float32Array): void {
    const coming = this.#coming!;
    if (length <= coming.length) return;
    coming.sound.push(from(coming.length));
    coming.length = length;
  }

  forget(): void {
    this.#coming = undefined;
  }
}
