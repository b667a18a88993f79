/** What is asked of sound before it is encoded. */
import { InputError } from "../errors";

const LOUDEST = 4; // twice the worst clipping a float pipeline makes; beyond it the unit is wrong

/**
 * @throws InputError for what are not whole frames of finite samples, nominally between -1 and 1
 */
export function checkFrames(pcm: Float32Array, hop: number): void {
  if (pcm.length === 0 || pcm.length % hop)
    throw new InputError(`pcm has ${pcm.length} samples, expected whole frames of ${hop}`);
  const wrong = pcm.find((sample) => !(Math.abs(sample) <= LOUDEST));
  if (wrong !== undefined)
    throw new InputError(
      `pcm reaches ${wrong}, expected finite samples between -1 and 1; ` +
        "divide 16-bit samples by 32768",
    );
}
