/**
 * The three kinds of failure that a caller may want to tell apart. Everything else is a bug.
 * A message says what was expected, what was found, where, and what to do next.
 */

/** A file is damaged, hostile, or of a kind that Ingot does not read. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}

/** The figures of a prompt and answer that do not fit the context, in tokens: for who wants to say it in words of their own. */
export interface ContextShortage {
  readonly contextLength: number;
  /** The most that the model was made for. */
  readonly modelContextLength: number;
  /** Undefined for a text that was refused before it was encoded: far too long. */
  readonly promptTokens: number | undefined;
  /** As the caller asked. */
  readonly maxTokens: number | undefined;
}

/** What is gone, and with it the model that was on it: the GPU or its driver, or a browser's worker. */
export type LostPart = 'device' | 'worker';

export interface CapacityErrorOptions extends ErrorOptions {
  readonly shortage?: ContextShortage | undefined;
  readonly availableBytes?: number | undefined;
  readonly lost?: LostPart | undefined;
}

/** The model is sound but this machine, device or setting cannot run it (too large, missing feature, context full). */
export class CapacityError extends Error {
  override readonly name = 'CapacityError';
  /** Where it is the context that is too short. */
  readonly shortage: ContextShortage | undefined;
  /** Where a device refused a model's memory: bytes that it has for all of it. */
  readonly availableBytes: number | undefined;
  /** Where nothing is left to go on with: dispose of the model, and load it again. */
  readonly lost: LostPart | undefined;

  constructor(message: string, { shortage, availableBytes, lost, ...options }: CapacityErrorOptions = {}) {
    super(message, options);
    this.shortage = shortage;
    this.availableBytes = availableBytes;
    this.lost = lost;
  }
}

export interface InputErrorOptions extends ErrorOptions {
  readonly modelKind?: 'speech' | 'other' | undefined;
}

/** A caller passed something that cannot be meant: a negative temperature, an id outside the vocabulary. */
export class InputError extends Error {
  override readonly name = 'InputError';
  /** Where a model is of another kind than the call is for: one of `speech` is for `loadSpeechModel`, and `other` is none of speech. */
  readonly modelKind: InputErrorOptions['modelKind'];

  constructor(message?: string, { modelKind, ...options }: InputErrorOptions = {}) {
    super(message, options);
    this.modelKind = modelKind;
  }
}
