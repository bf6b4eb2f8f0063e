/** Where the states of sounds lie: pages of memories, which courses of tokens share, and pages of each course's own. */
import type { Program, StatePlace } from '../graph/executor.ts';
import { stateGroups } from '../graph/state.ts';
import { CapacityError } from '../tensor/errors.ts';

/** A sound that was heard. Its memory is its own until it is closed. */
export interface HeardSound {
  /** Positions that its memories hold. */
  readonly memory: number;
  /** Tokens whose keys and values are there. */
  readonly length: number;
  /** Takes tokens back. @throws Error for more than there are */
  rewind(length: number): void;
  /** Idempotent. */
  close(): void;
}

/** What there is room for. */
export interface SoundRoom {
  readonly program: Program;
  /** Memories at a time. */
  readonly sounds: number;
  /** Courses of tokens at a time. */
  readonly courses: number;
  /** Pages of the memories of a sound, and of what is decoded over it. */
  readonly perSound: { readonly memory: number; readonly own: number };
}

/** Where the memories of a sound are, and how many courses see them. */
interface SharedMemory {
  readonly number: number;
  courses: number;
}

/** What is decoded over a sound. */
export class Heard implements HeardSound {
  readonly memory: number;
  readonly place: StatePlace;
  readonly shared: SharedMemory;
  readonly #release: () => void;
  #length = 0;
  #isOpen = true;

  constructor({ place, shared, memory, release }: Pick<Heard, 'place' | 'shared' | 'memory'> & { readonly release: () => void }) {
    this.place = place;
    this.shared = shared;
    this.memory = memory;
    this.#release = release;
  }

  get length(): number {
    return this.#length;
  }

  /** So many more tokens are there. */
  advance(count: number): void {
    this.#length += count;
  }

  rewind(length: number): void {
    if (!(Number.isInteger(length) && length >= 0 && length <= this.#length))
      throw new Error(`a sound with ${this.#length} tokens cannot be taken back to ${length}`);
    this.#length = length;
  }

  checkOpen(): void {
    if (!this.#isOpen) throw new Error('the sound was closed');
  }

  close(): void {
    if (this.#isOpen) this.#release();
    this.#isOpen = false;
  }
}

export class SoundPlaces {
  readonly #room: SoundRoom;
  /** Numbers of memories, and of courses, that are not open. */
  readonly #free: { readonly memories: number[]; readonly courses: number[] };

  constructor(room: SoundRoom) {
    const downFrom = (count: number): number[] => Array.from({ length: count }, (_, i) => count - 1 - i);
    this.#room = room;
    this.#free = { memories: downFrom(room.sounds), courses: downFrom(room.courses) };
  }

  /** A course over a memory of its own. @throws CapacityError */
  open(memory: number): Heard {
    return this.#open(this.#takeMemory(), memory);
  }

  /** Another course over the same memory. @throws CapacityError */
  branch({ shared, memory }: Heard): Heard {
    return this.#open(shared, memory);
  }

  /** @throws CapacityError */
  #takeMemory(): SharedMemory {
    const number = this.#free.memories.pop();
    if (number !== undefined) return { number, courses: 0 };
    throw new CapacityError(`${this.#room.sounds} sounds are open, as many as there may be: close one first.`);
  }

  /** A course over a memory; their numbers say where the pages lie. @throws CapacityError */
  #open(shared: SharedMemory, memory: number): Heard {
    const { program, courses, perSound } = this.#room;
    const number = this.#free.courses.pop();
    if (number === undefined) throw new CapacityError(`${courses} courses of tokens are open, as many as there may be: close one first.`);
    const pages = stateGroups(program.model.states).map((group, index) => {
      const [count, at] = group.memory ? [perSound.memory, shared.number] : [perSound.own, number];
      program.ensurePages(index, (at + 1) * count);
      return Int32Array.from({ length: count }, (_, i) => at * count + i);
    });
    shared.courses++;
    const release = (): void => {
      this.#free.courses.push(number);
      if (--shared.courses === 0) this.#free.memories.push(shared.number);
    };
    return new Heard({ place: { pages }, shared, memory, release });
  }
}
