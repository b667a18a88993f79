/** What can be chosen about the playout. */
import { InputError } from "../errors";

export interface PlayoutOptions {
  /** Least delay against jitter; packetisation comes on top. */
  readonly minimumDelayMs: number;
  /** Largest delay against jitter; what is later is skipped over. */
  readonly maximumDelayMs: number;
  /** Delay until the jitter is known. */
  readonly startDelayMs: number;
  /** Whether the delay may change by time-stretching inside a talk spurt. */
  readonly stretch: boolean;
  /** Most frames that wait; 256 are 3.4 s. */
  readonly capacityFrames: number;
  /** Length of a concealment before it begins to fade to comfort noise. */
  readonly fadeAfterMs: number;
  /** Length of that fade. */
  readonly fadeMs: number;
  /** An excess of delay above this is skipped over, one below it is stretched away. */
  readonly skipMs: number;
  /** Of the comfort noise. */
  readonly seed: number;
}

const DEFAULTS: PlayoutOptions = {
  minimumDelayMs: 20,
  maximumDelayMs: 500,
  startDelayMs: 30,
  stretch: true,
  capacityFrames: 256,
  fadeAfterMs: 120,
  fadeMs: 40,
  skipMs: 150,
  seed: 0,
};

/** The defaults with `wishes` in their place. Throws InputError for values out of range. */
export function playoutOptions(wishes: Partial<PlayoutOptions> = {}): PlayoutOptions {
  const options = { ...DEFAULTS, ...wishes };
  const { minimumDelayMs: least, maximumDelayMs: most } = options;
  if (!(0 <= least && least <= most && most <= 2000))
    throw new InputError(
      `the playout delay is ${least} to ${most} ms, ` +
        "expected a minimum and a maximum between 0 and 2000, in this order",
    );
  if (options.capacityFrames < 16)
    throw new InputError(`capacityFrames is ${options.capacityFrames}, expected at least 16`);
  if (options.fadeAfterMs < 0 || options.fadeMs <= 0 || options.skipMs <= 0)
    throw new InputError("fadeAfterMs must not be negative, fadeMs and skipMs positive");
  return options;
}
