/** What a call has of the scheduler, and what it asks of it. */
import type { TokenChoice } from '../graph/executor.ts';
import type { TokenGrammar } from '../tensor/byte-table.ts';
import type { CallTerms, Rank } from './admission.ts';
import type { PlacedPicture } from './pictures.ts';
import type { Sequence } from './sequence.ts';

/** What a call asks of its sequence, whose state must be a prefix of `ids`: to be brought up to all of them. */
export interface Advance<Result> {
  readonly ids: ArrayLike<number>;
  /** How many of the ids are the prompt; the rest is the answer to it so far. */
  readonly promptTokens: number;
  /** Pictures among the ids, whose rows are steps of their own. Default none. */
  readonly pictures?: readonly PlacedPicture[] | undefined;
  /** Ascending positions in the prompt whose states are kept, its end excepted: steps end there. */
  readonly keepAt?: readonly number[] | undefined;
  /** How many ids are certain to stay: the sequence can go back to about as many. Default all. */
  readonly settled?: (() => number) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of positions done, after every step. */
  readonly onStep?: ((done: number) => void) | undefined;
  /** Called while the step runs whose logits {@link Advance.take} has: what that needs beside them is made meanwhile. */
  readonly prepare?: (() => void) | undefined;
  /** Makes the answer of the logits [vocab] after the last id, which the next step overwrites. */
  take(logits: Float32Array): Result;
  /** For a program that chooses tokens by itself. Absent: the logits are wanted here. */
  readonly choose?: DeviceChoice<Result> | undefined;
}

/** Which tokens may follow in one answer: it knows those that came. */
export interface RowConstraint {
  /** As `Sampler.sample` has it. @throws InputError where no token may follow */
  mask(): Uint32Array;
  /** Takes a token in; returns those that have to follow it, which it has taken in too. None where several may follow. */
  accept(token: number): readonly number[];
  /** What the program follows by itself, in place of masks, from where the answer stands. Absent: masks are made here. */
  readonly grammar?: (() => TokenGrammar) | undefined;
}

export interface DeviceChoice<Result> {
  /** As the program's, and how many tokens may yet follow the ids; asked once, unless the program loses its place. */
  request(): TokenChoice & { readonly limit: number };
  /** Which tokens may be next; where masks are made here, one is chosen at a time. It is told of each as it comes. */
  readonly constraint?: RowConstraint | undefined;
  /** Makes the answer of what was chosen, at least one token. */
  take(tokens: readonly number[]): Result;
}

/** Whether a mask is made here before each token. */
export function takesMasks({ choose }: Pick<Advance<unknown>, 'choose'>): boolean {
  return choose?.constraint !== undefined && choose.constraint.grammar === undefined;
}

/** Makes what {@link Advance.take} needs beside logits. What fails here fails again where it is taken, and is that call's alone. */
export function prepare(advance: Advance<unknown> | undefined): void {
  try {
    advance?.prepare?.();
  } catch {
    // As above.
  }
}

export interface Subscription {
  /** One at a time. Rejects with the signal's reason within a step, with what the step throws, and when the scheduler closes. */
  advance<Result>(request: Advance<Result>): Promise<Result>;
  /** Another kind of step, which has the program to itself. It may be called again from its beginning where memory is held by others. */
  alone<Result>(step: () => Promise<Result>, signal?: AbortSignal): Promise<Result>;
  /** The call is over; others may have the sequence's memory. Idempotent. */
  leave(): void;
}

export interface SubscribeOptions extends CallTerms {
  readonly sequence?: Sequence | undefined;
  /** Called before the first step of the call. */
  readonly onBegin?: (() => void) | undefined;
  /** It goes on where a call has just left, and waits for no place. Default false. */
  readonly hasBegun?: boolean | undefined;
}

/** A call, from its first step to its end. */
export interface Member {
  /** Who goes first, and whose memory is not for others. */
  readonly rank: Rank;
  readonly sequence: Sequence | undefined;
  readonly onBegin: (() => void) | undefined;
  hasBegun: boolean;
  /** When a step last answered it. */
  answeredAt: number;
  /** It is past its deadline, or waited too long. */
  refusedBy: Error | undefined;
  /** Of what becomes of it by time. */
  readonly timers: Set<ReturnType<typeof setTimeout>>;
  /** Number of the step that it was last in. */
  lastStep: number;
  /** Waits until another call leaves: a device had no memory for both. */
  isHeldBack: boolean;
  waiting: Work | undefined;
  /** What the program chooses for it, ahead of its reader. */
  ahead: Ahead | undefined;
}

/** A sequence whose tokens the program chooses. */
export interface Ahead {
  /** Its number among the program's choices. */
  choice: number;
  /** Prompt and answer as far as they have come, which may be more than the reader has taken. */
  readonly ids: number[];
  /** Most tokens to choose. */
  readonly limit: number;
  /** How many of them have been asked for, or had to follow; some are under way. */
  asked: number;
  /** The program does not know of tokens that had to follow: its choice is opened anew before the next token. */
  isStale: boolean;
}

/** What a member waits for. */
export interface Work {
  readonly member: Member;
  readonly advance?: Advance<unknown> | undefined;
  readonly alone?: (() => Promise<unknown>) | undefined;
  readonly signal: AbortSignal | undefined;
  resolve(result: unknown): void;
  reject(reason: unknown): void;
}
