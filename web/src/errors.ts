/**
 * Every error that this package throws on purpose, as in Python's `q2d2_stream.errors`: one sentence
 * that says what was wrong, what was expected and what to do.
 */

/** Base of every deliberate error. */
export class Q2D2Error extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** Samples, indices or options of the wrong kind, length or range. */
export class InputError extends Q2D2Error {}

/** Bytes that are not a valid packet of the codec. */
export class FormatError extends Q2D2Error {}

/** A model file that is missing, damaged, or of a version this package cannot run. */
export class ModelError extends Q2D2Error {}
