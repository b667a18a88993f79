/** Several voices to one loudspeaker: a jitter buffer and a decoder each, summed and limited. */
import type { AudioFrames } from "../frames";
import {
  Playout,
  totalMs,
  type Decoder,
  type DelayParts,
  type KnownDelays,
  type PlayoutOptions,
  type PlayoutStats,
} from "../playout";

const VOICES = 8; // decoders at once: twice what a relay forwards, for talkers who take turns
const IDLE_S = 5; // after which a voice's decoder may be given to another
const TALKS_S = 0.4;
const TALKS_POWER = 1e-5; // -50 dB of full scale
// What a playout holds behind its buffer: the decoder's tail, a piece of a frame.
const AFTER_PULLS = 3;
const CEILING = 0.97;
const RELEASE = 0.02; // of the way back to full gain in each frame: half of it in half a second

/** Keeps a sum of voices below full scale: down at once, back slowly. */
export class Limiter {
  #gain = 1;

  /** `pcm` no louder than full scale; the very array where it is not. */
  push(pcm: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
    const peak = pcm.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    const wanted = peak > CEILING ? CEILING / peak : 1;
    const before = this.#gain;
    this.#gain = Math.min(wanted, before + RELEASE * (1 - before));
    if (before === 1 && this.#gain === 1) return pcm;
    // A gain that falls must be down at the first sample already, or that one clips.
    const start = Math.min(before, this.#gain);
    const step = (this.#gain - start) / (pcm.length - 1);
    return pcm.map((sample, n) => sample * (start + n * step));
  }
}

interface Voice {
  readonly playout: Playout;
  heardAt: number;
  gain: number;
  talkedAt: number;
  pullsAfter: number; // since its buffer ran empty
}

/**
 * What the members of a room, or the peer of a call, say, as one sound. Without a clock: `now` in
 * seconds.
 *
 * A voice gets its decoder when it is first heard. When too many were heard, the one that has been
 * silent for longest makes room.
 */
export class Mixer {
  /** Frames of voices beyond those that there is room for. */
  refused = 0;
  readonly #makeDecoder: (member: number) => Decoder;
  readonly #options: Partial<PlayoutOptions>;
  readonly #voices = new Map<number, Voice>();
  readonly #leaving = new Set<Voice>();
  readonly #gains = new Map<number, number>();
  readonly #limiter = new Limiter();
  #past: PlayoutStats | undefined;

  /** `makeDecoder` makes one for a member, by number; `options` are of every voice's playout. */
  constructor(makeDecoder: (member: number) => Decoder, options: Partial<PlayoutOptions> = {}) {
    this.#makeDecoder = makeDecoder;
    this.#options = options;
  }

  /** Frames of a member have come. */
  put(member: number, frames: AudioFrames, now: number): void {
    const voice = this.#voices.get(member) ?? this.#begin(member, now);
    if (voice === undefined) {
      this.refused += frames.indices.length;
      return;
    }
    voice.heardAt = now;
    voice.playout.put(frames, now);
  }

  /** The next `samples` of sound, at `now`; the array is the caller's. */
  pull(now: number, samples: number): Float32Array<ArrayBuffer> {
    const mixed = new Float32Array(samples);
    for (const voice of [...this.#voices.values(), ...this.#leaving]) {
      const pcm = voice.playout.pull(now, samples);
      const energy = pcm.reduce((sum, sample) => sum + sample * sample, 0);
      if (energy > TALKS_POWER * samples) voice.talkedAt = now;
      if (voice.gain === 0) continue;
      for (let n = 0; n < samples; n++) mixed[n]! += voice.gain * pcm[n]!;
    }
    for (const voice of this.#leaving) {
      voice.pullsAfter = voice.playout.isEmpty ? voice.pullsAfter + 1 : 0;
      if (voice.pullsAfter > AFTER_PULLS) this.#forget(voice);
    }
    return this.#limiter.push(mixed);
  }

  /** A member has gone: what has come of it is heard to its end, and stays counted. */
  remove(member: number): void {
    this.#gains.delete(member);
    this.#retire(member);
  }

  /** How loud a member is: 0 for not at all, 1 as it comes. */
  setGain(member: number, gain: number): void {
    this.#gains.set(member, gain);
    const voice = this.#voices.get(member);
    if (voice !== undefined) voice.gain = gain;
  }

  /** Whose sound was louder than a quiet room just now. */
  talking(now: number): Set<number> {
    const talkers = [...this.#voices].filter(([, voice]) => now - voice.talkedAt < TALKS_S);
    return new Set(talkers.map(([member]) => member));
  }

  /** Whether anybody was heard. */
  get hasPlayed(): boolean {
    return this.#past !== undefined || this.#all().some((voice) => voice.playout.played > 0);
  }

  /** Whether nothing waits to be played. */
  get isEmpty(): boolean {
    return this.#all().every((voice) => voice.playout.isEmpty);
  }

  /** All voices together: counts are sums, delays those of the voice that is latest. */
  stats(known: KnownDelays = {}): PlayoutStats {
    return (
      this.#all().reduce<PlayoutStats | undefined>(
        (total, voice) => sum(total, voice.playout.stats(known)),
        this.#past,
      ) ?? new Playout(SILENT, this.#options).stats()
    );
  }

  /** One member's; undefined before it was heard. */
  statsOf(member: number, known: KnownDelays = {}): PlayoutStats | undefined {
    return this.#voices.get(member)?.playout.stats(known);
  }

  #all(): Voice[] {
    return [...this.#voices.values(), ...this.#leaving];
  }

  #begin(member: number, now: number): Voice | undefined {
    if (this.#voices.size >= VOICES && !this.#makeRoom(now)) return undefined;
    const voice = {
      playout: new Playout(this.#makeDecoder(member), this.#options),
      heardAt: now,
      gain: this.#gains.get(member) ?? 1,
      talkedAt: -Infinity,
      pullsAfter: 0,
    };
    this.#voices.set(member, voice);
    return voice;
  }

  #makeRoom(now: number): boolean {
    let [oldest, heardAt] = [-1, Infinity];
    for (const [member, voice] of this.#voices)
      if (voice.heardAt < heardAt) [oldest, heardAt] = [member, voice.heardAt];
    if (now - heardAt < IDLE_S) return false;
    this.#retire(oldest);
    return true;
  }

  #retire(member: number): void {
    const voice = this.#voices.get(member);
    if (voice === undefined) return;
    this.#voices.delete(member);
    this.#leaving.add(voice);
    const [first] = this.#leaving;
    if (this.#leaving.size > VOICES && first !== undefined) this.#forget(first);
  }

  #forget(voice: Voice): void {
    this.#leaving.delete(voice);
    this.#past = sum(this.#past, voice.playout.stats());
  }
}

/** For the numbers of a room in which nobody has said anything. */
const SILENT: Decoder = {
  delaySamples: 0,
  push: (): Float32Array => new Float32Array(0),
  seek: (): void => {},
  reset: (): void => {},
};

// Of these the worst voice counts.
const WORST = ["targetDelayMs", "actualDelayMs", "jitterMs"] as const;

function sum(first: PlayoutStats | undefined, second: PlayoutStats): PlayoutStats {
  if (first === undefined) return second;
  const longer = (a: DelayParts, b: DelayParts): DelayParts => (totalMs(a) >= totalMs(b) ? a : b);
  const leadIns = [first.leadInSamples, second.leadInSamples].filter((each) => each !== null);
  const added = Object.entries(second).map(([name, value]) => {
    const before = first[name as keyof PlayoutStats];
    return [name, typeof value === "number" && typeof before === "number" ? before + value : value];
  });
  return {
    ...(Object.fromEntries(added) as PlayoutStats),
    ...Object.fromEntries(WORST.map((name) => [name, Math.max(first[name], second[name])])),
    driftPpm: second.driftPpm,
    delayP50: longer(first.delayP50, second.delayP50),
    delayP95: longer(first.delayP95, second.delayP95),
    leadInSamples: leadIns.length > 0 ? Math.min(...leadIns) : null,
  };
}
