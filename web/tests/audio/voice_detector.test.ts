import { expect, test } from "vitest";
import { VoiceDetector } from "../../src/audio/voice_detector";
import { WebRtcVad } from "../../src/audio/webrtc_vad";
import { InputError } from "../../src/errors";
import { Normals } from "../../src/playout/normals";
import { speech } from "../speech";
import { readJson } from "../vectors";

interface Vector {
  mode: number;
  noise: number;
  voice: string;
}

const VECTORS = readJson<Vector[]>("tests/web/vectors/voice.json");

test("hears voice in the frames in which Python's detector does", () => {
  const random = new Normals(3);
  for (const { mode, noise, voice } of VECTORS) {
    const detector = new VoiceDetector(mode);
    const heard = speech().map((sample) => sample + noise * random.next());
    const votes = Array.from(voice, (_, n) =>
      detector.isVoice(heard.subarray(320 * n, 320 * n + 320)) ? "1" : "0",
    );
    expect(votes.join(""), `mode ${mode}, noise of ${noise}`).toBe(voice);
    detector.reset();
    expect(detector.isVoice(heard.subarray(0, 320))).toBe(voice.startsWith("1"));
  }
});

test("two detectors know nothing of each other", () => {
  const [busy, idle] = [new VoiceDetector(), new VoiceDetector()];
  const pcm = speech();
  for (let n = 0; n < 100; n++) busy.isVoice(pcm.subarray(320 * n, 320 * n + 320));
  expect(idle.isVoice(new Float32Array(320))).toBe(false);
});

test("refuses another mode or block", () => {
  expect(() => new WebRtcVad(4)).toThrow(InputError);
  expect(() => new WebRtcVad().isSpeech(new Int16Array(240))).toThrow(/expected 160/);
});
