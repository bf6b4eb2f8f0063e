/** What two threads say to each other: the only place where a message has a form. Either side calls, and either side is called. */

/** A value without what a structured clone loses, and those parts by their path. */
export interface Encoded {
  readonly value: unknown;
  readonly parts: readonly Part[];
}

export type Path = readonly (string | number)[];

/** What is made anew on the other side. */
export type Part =
  /** Calls back to the exported function of this number. */
  | { readonly kind: 'function'; readonly path: Path; readonly id: number }
  | { readonly kind: 'signal'; readonly path: Path; readonly id: number; readonly reason: Encoded | undefined }
  | { readonly kind: 'error'; readonly path: Path; readonly error: EncodedError }
  /** Pieces that come, read once: those of a stream of the exported function of this number. */
  | { readonly kind: 'pieces'; readonly path: Path; readonly id: number }
  /** A function that gives this value, whatever it is asked. */
  | { readonly kind: 'constant'; readonly path: Path; readonly value: unknown };

export interface EncodedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Further fields of the class, by name. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Why a call ended without a result: what was thrown, or the reason of a signal that the caller gave. */
export type Failure = { readonly thrown: Encoded } | { readonly abortedBy: number };

/** Data of an object, by member. */
export type Facts = Readonly<Record<string, Encoded>>;

/** An object that stays where it is. */
export interface Opened {
  readonly target: number;
  readonly facts: Facts;
  readonly objects: Readonly<Record<string, Opened>>;
}

export type Message =
  /** `id` is the caller's; `target` is an object or a function of the side that is called. */
  | { readonly type: 'call'; readonly id: number; readonly target: number; readonly name: string; readonly args: Encoded }
  | { readonly type: 'set'; readonly id: number; readonly target: number; readonly name: string; readonly value: Encoded }
  | { readonly type: 'stream'; readonly id: number; readonly target: number; readonly name: string; readonly args: Encoded }
  /** Of a stream: its next piece, and that no more are wanted. */
  | { readonly type: 'next'; readonly id: number }
  | { readonly type: 'leave'; readonly id: number }
  | { readonly type: 'answer'; readonly id: number; readonly value: Encoded; readonly facts: Facts | undefined }
  | { readonly type: 'opened'; readonly id: number; readonly opened: Opened }
  | { readonly type: 'piece'; readonly id: number; readonly value: Encoded }
  | { readonly type: 'end'; readonly id: number; readonly facts: Facts | undefined }
  | { readonly type: 'failed'; readonly id: number; readonly failure: Failure; readonly facts: Facts | undefined }
  | { readonly type: 'abort'; readonly signal: number; readonly reason: Encoded };
