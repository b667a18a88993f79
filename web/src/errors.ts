/**
 * Every error that this package throws on purpose, as in Python's `q2d2_stream.errors`: one
 * sentence that says what was wrong, what was expected and what to do.
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

/** Bytes that are not a valid message, or a valid message that comes out of place. */
export class WireError extends Q2D2Error {}

/** The two ends of a call do not fit together: version, model, or secret. */
export class HandshakeError extends WireError {}

/** A sealed message that does not open: forged, changed, or of another connection. */
export class SealError extends WireError {
  /** Whether it is genuine as far as it was looked at, but came before. */
  readonly isReplay: boolean;

  constructor(text: string, isReplay = false) {
    super(text);
    this.isReplay = isReplay;
  }
}
