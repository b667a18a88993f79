/**
 * What a session counts: what came, went and was dropped, in messages unless the name says
 * otherwise.
 *
 * `payloadBytes` are the indices in them, entropy coded or packed; `nominalBits` what their frames
 * come to at the model's bits per frame. `forged` messages did not open, `replayed` ones came
 * before.
 */
export class Counters {
  received = 0;
  receivedBytes = 0;
  receivedFrames = 0;
  receivedPayloadBytes = 0;
  receivedNominalBits = 0;
  sent = 0;
  sentBytes = 0;
  sentFrames = 0;
  sentPayloadBytes = 0;
  sentNominalBits = 0;
  forged = 0;
  replayed = 0;
  malformed = 0;
  unknown = 0;
  outOfPlace = 0;
  duplicate = 0;
  outOfWindow = 0;
  rateLimited = 0;
  notSent = 0;
}
