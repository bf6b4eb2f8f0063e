/**
 * The three kinds of failure that a caller may want to tell apart. Everything else is a bug.
 * A message says what was expected, what was found, where, and what to do next.
 */

/** A file is damaged, hostile, or of a kind that Ingot does not read. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}

/** The model is sound but this machine, device or setting cannot run it (too large, missing feature, context full). */
export class CapacityError extends Error {
  override readonly name = 'CapacityError';
}

/** A caller passed something that cannot be meant: a negative temperature, an id outside the vocabulary. */
export class InputError extends Error {
  override readonly name = 'InputError';
}
