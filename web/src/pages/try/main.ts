/** "Hear yourself": a sound, and what the codec makes of it at every rate. */
import "../common.css";
import "./try.css";
import { MicrophoneError } from "../../audio/microphone";
import { SAMPLE_RATE } from "../../config";
import { chooseLanguage, translatePage, translator, type TextKey } from "../../i18n";
import { byId, setText } from "../dom";
import { BlindView } from "./blind_view";
import { CodecClient } from "./codec_client";
import type { Loaded } from "./messages";
import { keepForLater } from "./offline";
import { Player } from "./player";
import { Recorder } from "./recorder";
import { LONGEST_S, readSound } from "./sound_file";
import { drawSpectrogram, spectrogramOf } from "./spectrogram";
import { VersionsView } from "./versions_view";

const FOLDER = new URL(".", import.meta.url);
const PICTURE_COLUMNS = 600;

class TryPage {
  readonly #language = chooseLanguage(navigator.languages);
  readonly #translate = translator(this.#language);
  readonly #client = new CodecClient(new Worker(new URL("codec_worker.js", FOLDER)));
  readonly #loaded: Promise<Loaded>;
  readonly #versions: VersionsView;
  readonly #blind: BlindView;
  #player: Player | null = null;
  #recorder: Recorder | null = null;
  #sounds: Float32Array<ArrayBuffer>[] = [];
  #turn = 0; // a sound that came later makes the one before it stop

  constructor() {
    document.documentElement.lang = this.#language;
    translatePage(document, this.#translate);
    document.title = this.#translate("try_title");
    this.#versions = new VersionsView(this.#translate, this.#language, (version) =>
      this.#choose(version),
    );
    this.#blind = new BlindView(
      this.#translate,
      (version) => void this.#hear(version),
      () => this.#pause(),
    );
    this.#loaded = this.#load();
    byId("record").onclick = () => void this.#record();
    byId("example").onclick = () => void this.#open(new URL("example.flac", FOLDER));
    byId("play").onclick = () => void this.#togglePlay();
    const file = byId<HTMLInputElement>("file");
    file.onchange = () => file.files?.[0] && void this.#open(file.files[0]);
    byId<HTMLInputElement>("position").oninput = (event) =>
      this.#player?.seek(Number((event.target as HTMLInputElement).value));
    this.#acceptDrops(byId("drop"));
    requestAnimationFrame(this.#showPosition);
  }

  async #load(): Promise<Loaded> {
    this.#say("try_loading");
    try {
      const loaded = await this.#client.load();
      this.#say(null);
      this.#versions.setRates(loaded.rates);
      this.#blind.setRates(loaded.rates);
      const extra = ["capture_worklet.js", "playback_worklet.js", "example.flac"];
      const kept = await keepForLater([
        ...loaded.files,
        ...extra.map((name) => new URL(name, FOLDER).href),
      ]);
      if (kept) setText(byId("offline"), this.#translate("try_offline"));
      return loaded;
    } catch (error) {
      this.#complain("try_failed", error);
      throw error;
    }
  }

  #acceptDrops(target: HTMLElement): void {
    for (const name of ["dragover", "dragleave", "drop"] as const)
      target.addEventListener(name, (event) => {
        event.preventDefault();
        target.classList.toggle("over", name === "dragover");
      });
    target.addEventListener("drop", ({ dataTransfer }) => {
      const file = dataTransfer?.files[0];
      if (file) void this.#open(file);
    });
  }

  async #open(source: Blob | URL): Promise<void> {
    this.#say("try_reading");
    try {
      const file = source instanceof URL ? await (await fetch(source)).blob() : source;
      await this.#take(await readSound(file));
    } catch (error) {
      this.#complain("try_no_sound", error);
    }
  }

  async #record(): Promise<void> {
    if (this.#recorder) return this.#stopRecording();
    this.#pause();
    const meter = byId<HTMLMeterElement>("level");
    try {
      const recorder = await Recorder.start(FOLDER.href);
      this.#recorder = recorder;
      recorder.onfull = () => void this.#stopRecording();
      recorder.onprogress = (seconds, levelDb) => {
        meter.value = levelDb;
        setText(byId("record"), this.#translate("try_stop", { seconds: Math.floor(seconds) }));
      };
      meter.hidden = false;
      this.#say("try_recording", { most: LONGEST_S });
    } catch (error) {
      const reason = error instanceof MicrophoneError ? error.reason : "other";
      this.#complain(reason === "insecure" ? "try_insecure" : "try_no_microphone", error);
    }
  }

  async #stopRecording(): Promise<void> {
    const recorder = this.#recorder;
    if (!recorder) return;
    this.#recorder = null;
    byId("level").hidden = true;
    setText(byId("record"), this.#translate("try_record"));
    await this.#take(await recorder.stop());
  }

  /** A new sound: have it at every rate, the lowest first. */
  async #take(pcm: Float32Array): Promise<void> {
    const turn = ++this.#turn;
    byId("error").hidden = true;
    if (pcm.length < SAMPLE_RATE / 2) return this.#complain("try_too_short");
    this.#player ??= new Player();
    this.#player.clear();
    this.#showPlay();
    this.#sounds = [pcm.slice()];
    this.#player.set(0, this.#sounds[0]!);
    this.#versions.begin(pcm.length);
    this.#blind.begin();
    for (const id of ["compare", "pictures"]) byId(id).hidden = false;
    byId<HTMLInputElement>("position").max = String(this.#player.durationS);
    this.#draw("picture-original", pcm);
    this.#choose(0);
    const { rates } = await this.#loaded;
    const times: number[] = [];
    for (const [n, { name }] of rates.entries()) {
      this.#say("try_coding", { rate: name });
      const coded = await this.#client.code(pcm, name);
      if (turn !== this.#turn) return;
      this.#sounds[n + 1] = coded.pcm;
      this.#player.set(n + 1, coded.pcm);
      this.#versions.setSize(
        n + 1,
        coded.packets.reduce((sum, packet) => sum + packet.length, 0),
      );
      times.push(median(coded.encodeMs) + median(coded.decodeMs));
      if (n === rates.length - 1) this.#choose(this.#versions.chosen);
    }
    this.#say("try_ready");
    byId("blind").hidden = false;
    byId("cost").hidden = false;
    const ms = Math.max(...times).toLocaleString(this.#language, { maximumFractionDigits: 1 });
    setText(byId("cost"), this.#translate("try_cost", { ms }));
  }

  #choose(version: number): void {
    this.#versions.choose(version);
    this.#blind.stopHearing();
    this.#player?.choose(version);
    // Beside the original stands what is heard or, with the original, the highest rate.
    const shown = version || this.#sounds.length - 1;
    const pcm = this.#sounds[shown];
    if (!pcm || shown === 0) return;
    setText(byId("picture-name"), this.#versions.nameOf(shown));
    this.#draw("picture-coded", pcm);
  }

  /** For the blind test: nothing on the page shows which version it is. */
  async #hear(version: number): Promise<void> {
    this.#versions.choose(null);
    this.#player?.choose(version);
    await this.#player?.play();
    this.#showPlay();
  }

  async #togglePlay(): Promise<void> {
    if (this.#player?.isPlaying) return this.#pause();
    await this.#player?.play();
    this.#showPlay();
  }

  #pause(): void {
    this.#player?.pause();
    this.#showPlay();
  }

  #showPlay(): void {
    setText(byId("play"), this.#translate(this.#player?.isPlaying ? "try_pause" : "try_play"));
  }

  readonly #showPosition = (): void => {
    if (this.#player?.isPlaying)
      byId<HTMLInputElement>("position").value = String(this.#player.positionS);
    requestAnimationFrame(this.#showPosition);
  };

  #draw(id: string, pcm: Float32Array): void {
    drawSpectrogram(spectrogramOf(pcm, PICTURE_COLUMNS), byId<HTMLCanvasElement>(id));
  }

  #say(key: TextKey | null, values: Record<string, string | number> = {}): void {
    const progress = byId("progress");
    progress.dataset["key"] = key ?? "";
    setText(progress, key ? this.#translate(key, values) : "");
  }

  #complain(key: TextKey, error?: unknown): void {
    this.#say(null);
    const what = error instanceof Error ? error.message : String(error ?? "");
    byId("error").hidden = false;
    setText(byId("error"), this.#translate(key, { what }));
  }
}

function median(values: Float64Array): number {
  return values.slice().sort()[values.length >> 1] ?? 0;
}

new TryPage();
