/** The page of a call: from the link to hanging up. */
import "../common.css";
import "./call.css";
import { MicrophoneError } from "../../audio/microphone";
import { Sound } from "../../audio/sound";
import { CallClient } from "../../call/call_client";
import type { FromWorker, Numbers, ToWorker, Whom } from "../../call/worker_messages";
import { InputError } from "../../errors";
import { chooseLanguage, type TextKey, translatePage, translator } from "../../i18n";
import { byId, setText } from "../dom";
import { CallView } from "./call_view";
import { type Devices, DevicesView } from "./devices_view";
import { type About, codeOf, fragmentOf, type Invitation, newRoomFragment, readInvitation } from "./invitation";
import { type MicrophoneWish, MicrophoneView } from "./microphone_view";
import { NotesView } from "./notes_view";
import { PeopleView } from "./people_view";
import { loadPreferences, type Preferences, savePreferences } from "./preferences";
import { ProblemView, type Trouble, troubleOf } from "./problem_view";
import { TabLock } from "./tab_lock";

const SILENCE_DB = -85; // a microphone that is on has noise of its own
const SILENCE_S = 5;
const SECTIONS = ["start", "lobby", "call"] as const;
type Section = (typeof SECTIONS)[number];

/** What the tests and the curious read: the latest numbers, nothing secret. */
declare global {
  interface Window {
    q2d2?: { numbers: Numbers | null };
  }
}

class CallPage {
  readonly #language = chooseLanguage(navigator.languages);
  readonly #translate = translator(this.#language);
  readonly #preferences = loadPreferences();
  readonly #about: About;
  readonly #problem: ProblemView;
  readonly #people: PeopleView;
  readonly #notes: NotesView;
  readonly #view: CallView;
  readonly #devices: DevicesView;
  readonly #microphone: MicrophoneView;
  readonly #tabs: TabLock;
  #invitation: Invitation | null = null;
  #client: CallClient | null = null;
  #sound: Sound | null = null;
  #isListening = false;
  #wasOpen = false;
  #isAuthenticated = true;
  #state = "connecting";
  #quietSinceS: number | null = null;
  #wakeLock: WakeLockSentinel | null = null;

  constructor(about: About) {
    document.documentElement.lang = this.#language;
    this.#about = about;
    const translate = this.#translate;
    translatePage(document, translate);
    document.title = translate("title");
    this.#problem = new ProblemView(
      translate,
      () => void this.#join(false),
      () => this.#makeRoom(),
    );
    this.#people = new PeopleView(translate, (member, gain) =>
      this.#tell({ type: "gain", member, gain }),
    );
    this.#notes = new NotesView((text) => this.#tell({ type: "text", text }));
    this.#view = new CallView(translate, (rate) => {
      this.#remember({ rate });
      this.#tell({ type: "rate", rate });
    });
    this.#devices = new DevicesView(translate, (devices) => void this.#useDevices(devices));
    this.#microphone = new MicrophoneView(translate, (wish) => this.#apply(wish));
    this.#tabs = new TabLock(() => this.#end("taken_over"));
    this.#wire();
  }

  /** Show what the address invites to. */
  begin(): void {
    this.#invitation = readInvitation(location.hash);
    if (this.#about.serves === "call" && this.#invitation?.kind !== "peer")
      this.#invitation = { kind: "peer", code: "" };
    this.#problem.hide();
    if (this.#invitation === null) {
      this.#show("start");
      return;
    }
    const isRoom = this.#invitation.kind === "room";
    const needsCode = !isRoom && (this.#about.needs_secret ?? true) && !this.#codeOf();
    setText(byId("lobby-title"), this.#translate(isRoom ? "join_title_room" : "join_title_call"));
    setText(byId("join"), this.#translate(isRoom ? "join" : "call"));
    byId("name-row").hidden = !isRoom;
    byId("code-row").hidden = !needsCode;
    byId<HTMLInputElement>("code").required = needsCode;
    byId<HTMLInputElement>("name").value = this.#preferences.name;
    setText(byId("leave"), this.#translate(isRoom ? "leave" : "hang_up"));
    this.#people.hasControls = isRoom;
    this.#show("lobby");
    this.#devices.moveTo(byId("lobby-sound"));
    void this.#devices.list(this.#preferences);
    this.#worker(); // the codec loads while the user types a name
  }

  /** This browser cannot hold a call. */
  explainOld(what: string): void {
    this.#problem.show("old", { what });
  }

  #wire(): void {
    window.addEventListener("hashchange", () => {
      if (byId("call").hidden) this.begin();
      else location.reload();
    });
    window.addEventListener("pagehide", () => this.#tell({ type: "leave" }));
    document.addEventListener("visibilitychange", () => void this.#keepAwake());
    byId("new-room").onclick = () => this.#makeRoom();
    byId<HTMLFormElement>("paste").onsubmit = (event) => {
      event.preventDefault();
      this.#paste(byId<HTMLInputElement>("link").value);
    };
    byId<HTMLFormElement>("lobby").onsubmit = (event) => {
      event.preventDefault();
      void this.#join(true);
    };
    byId("listen").onclick = () => {
      if (byId<HTMLFormElement>("lobby").reportValidity()) void this.#join(false);
    };
    byId("leave").onclick = () => this.#leave();
    byId("copy").onclick = () => void this.#copy();
    byId("share").hidden = !("share" in navigator);
    byId("share").onclick = () => void navigator.share({ url: location.href }).catch(() => {});
    byId("resume").onclick = () => void this.#sound?.resume();
  }

  // -- before a call -----------------------------------------------------------------------------

  #makeRoom(): void {
    const fragment = newRoomFragment(location.origin);
    history.pushState(null, "", `${location.pathname}${fragment}`);
    this.begin();
    byId("name").focus();
  }

  #paste(text: string): void {
    this.#showLinkError(null);
    const code = codeOf(text, location.origin);
    if (code !== null) {
      byId<HTMLButtonElement>("open").disabled = true;
      this.#worker().tell({ type: "find", code });
      return;
    }
    try {
      this.#goTo(`${location.origin}/${fragmentOf(text)}`);
    } catch (reason) {
      if (!(reason instanceof InputError)) throw reason;
      this.#showLinkError("not_a_link");
    }
  }

  #goTo(link: string): void {
    const { origin, hash } = new URL(link);
    byId<HTMLButtonElement>("open").disabled = false;
    if (origin !== location.origin) {
      location.href = link; // a room of another relay, which has a page of its own
      return;
    }
    history.pushState(null, "", `${location.pathname}${hash}`);
    this.begin();
  }

  #showLinkError(key: TextKey | null): void {
    const error = byId("link-error");
    error.hidden = key === null;
    setText(error, key === null ? "" : this.#translate(key));
    byId<HTMLButtonElement>("open").disabled = false;
  }

  #codeOf(): string {
    if (this.#invitation?.kind !== "peer") return "";
    return this.#invitation.code || byId<HTMLInputElement>("code").value.trim();
  }

  #whom(): Whom {
    const name = byId<HTMLInputElement>("name").value.trim();
    if (this.#invitation?.kind === "room") {
      this.#remember({ name });
      const link = `${location.origin}/${this.#invitation.link}`;
      return { kind: "room", link, name };
    }
    return { kind: "peer", secret: this.#codeOf() || null };
  }

  async #join(hasMicrophone: boolean): Promise<void> {
    if (this.#sound !== null) return;
    const again = (): void => void this.#join(hasMicrophone);
    this.#problem.hide();
    this.#show("lobby");
    this.#setBusy(hasMicrophone ? "state_microphone" : "state_loading");
    const opening = this.#openSound(hasMicrophone); // in the tap itself, as iOS wants it
    opening.catch(() => {}); // it may fail before it is awaited
    if (!(await this.#tabs.take())) {
      void opening.then((sound) => sound.close()).catch(() => {});
      this.#setBusy(null);
      this.#problem.show("tab", {}, () => {
        void this.#tabs.takeOver().then(again);
      });
      return;
    }
    let sound: Sound;
    try {
      sound = await opening;
    } catch (error) {
      this.#tabs.leave();
      this.#setBusy(null);
      const [trouble, what] = soundTrouble(error);
      const onAction = trouble === "load" ? undefined : again;
      this.#problem.show(trouble, { what, address: location.host }, onAction);
      return;
    }
    this.#setBusy("state_loading");
    this.#sound = sound;
    this.#isListening = !hasMicrophone;
    this.#watch(sound);
    this.#enter(this.#whom(), sound);
  }

  async #openSound(hasMicrophone: boolean): Promise<Sound> {
    const { microphone, speaker } = this.#preferences;
    const options = { speaker: speaker || null, worklets: new URL("./", import.meta.url).href };
    if (!hasMicrophone) return await Sound.open({ ...options, microphone: null });
    try {
      return await Sound.open({ ...options, microphone: microphone || "default" });
    } catch (error) {
      // the one of the last call is not plugged in today
      if (!microphone || !(error instanceof MicrophoneError) || error.reason !== "missing")
        throw error;
      return await Sound.open({ ...options, microphone: "default" });
    }
  }

  #enter(whom: Whom, sound: Sound): void {
    this.#wasOpen = false;
    this.#people.clear();
    this.#notes.clear();
    this.#view.setFingerprint(null);
    this.#microphone.begin(!this.#isListening, this.#preferences.isPushToTalk);
    const wish = this.#microphone.wish;
    const { capturePort: capture, playbackPort: playback } = sound;
    const message: ToWorker = {
      type: "join",
      whom,
      origin: location.origin,
      isMuted: this.#isListening,
      gate: wish.isPushToTalk ? "key" : "open",
      rate: this.#preferences.rate,
      capture,
      playback,
      delays: sound.latency,
    };
    sound.isMuted = wish.isPushToTalk;
    this.#worker().tell(message, [capture, playback]);
    this.#setState("connecting");
    this.#setBusy(null);
    this.#show("call");
    this.#devices.moveTo(byId("call-sound"));
    void this.#devices.list(this.#preferences);
    void this.#keepAwake();
    byId("copy").hidden = byId("share").hidden = whom.kind !== "room";
    if (!("share" in navigator)) byId("share").hidden = true;
    byId("mute").focus();
  }

  // -- a call that is on -------------------------------------------------------------------------

  #worker(): CallClient {
    if (this.#client === null) {
      this.#client = new CallClient(new URL("call_worker.js", import.meta.url), (message) =>
        this.#onMessage(message),
      );
      this.#client.tell({ type: "load" });
    }
    return this.#client;
  }

  #tell(message: ToWorker): void {
    this.#client?.tell(message);
  }

  #onMessage(message: FromWorker): void {
    switch (message.type) {
      case "loaded":
        this.#view.listRates(message.rates, this.#preferences.rate ?? message.rate);
        break;
      case "found":
        this.#goTo(message.link);
        break;
      case "not_found":
        this.#showLinkError(message.problem === "unreachable" ? "problem_gone" : "not_a_code");
        break;
      case "failed":
        this.#end(this.#sound === null ? "load" : "failed", message.text);
        this.#client?.close();
        this.#client = null;
        break;
      case "state":
        this.#setState(message.state);
        break;
      case "opened":
        this.#wasOpen = true;
        this.#isAuthenticated = message.authenticated !== false;
        this.#view.setFingerprint(message.fingerprint);
        this.#setState(this.#state);
        break;
      case "joined":
        this.#people.add(message.member);
        if (this.#invitation?.kind === "peer")
          this.#people.setName(message.member, this.#translate("other_side"), true);
        this.#setState(this.#state);
        break;
      case "named":
        this.#onName(message.member, message.name, message.isHeard);
        break;
      case "left":
        this.#notes.addEvent(
          this.#translate("event_left", { name: this.#people.nameOf(message.member) }),
        );
        this.#people.remove(message.member);
        this.#setState(this.#state);
        break;
      case "mute":
        this.#people.setMuted(message.member, message.muted);
        break;
      case "recording":
        this.#people.setRecording(message.member, message.on);
        this.#notes.addEvent(
          this.#translate(message.on ? "event_recording" : "event_recording_over", {
            name: this.#people.nameOf(message.member),
          }),
        );
        break;
      case "text":
        this.#notes.add(this.#people.nameOf(message.member), message.text);
        break;
      case "text_sent":
        this.#notes.sent(message.text, message.isSent, this.#translate);
        break;
      case "numbers":
        window.q2d2 = { numbers: message.numbers };
        this.#view.showNumbers(message.numbers);
        this.#people.setTalking(message.numbers.talking);
        break;
      case "ended":
        if (this.#sound === null) break; // the page knows it already
        this.#end(troubleOf(message.problem, message.byPeer, this.#wasOpen), message.text);
        break;
    }
  }

  #onName(member: number, name: string, isHeard: boolean): void {
    let shown = name;
    if (this.#invitation?.kind === "peer") shown = this.#translate("other_side");
    else if (!name)
      shown = this.#translate("guest", { number: String(member % 1000).padStart(3, "0") });
    if (this.#people.setName(member, shown, isHeard))
      this.#notes.addEvent(this.#translate("event_joined", { name: shown }));
  }

  #setState(state: string): void {
    this.#state = state;
    const isAlone = this.#invitation?.kind === "room" && this.#people.count === 0;
    const talking = this.#isAuthenticated ? "state_talking" : "state_talking_open";
    const keys: Readonly<Record<string, TextKey>> = {
      connecting: "state_connecting",
      on: isAlone ? "state_waiting" : talking,
      silent: "state_silent",
      reconnecting: "state_reconnecting",
    };
    const key = keys[state];
    if (key !== undefined) this.#view.setState(key);
  }

  #apply(wish: MicrophoneWish): void {
    this.#remember({ isPushToTalk: wish.isPushToTalk });
    if (this.#sound !== null)
      this.#sound.isMuted = wish.isPushToTalk ? !wish.isHeld : wish.isMuted;
    this.#tell({ type: "gate", gate: wish.isPushToTalk ? "key" : "open" });
    this.#tell({ type: "key", isDown: wish.isHeld });
    this.#tell({ type: "mute", isMuted: !wish.isPushToTalk && wish.isMuted });
  }

  #watch(sound: Sound): void {
    const look = (): void => {
      byId("tap").hidden = sound.state === "running";
      this.#showHint(sound, null);
      this.#tell({ type: "delays", delays: sound.latency });
    };
    sound.onchange = look;
    sound.onlevel = ({ rmsDb }) => {
      this.#microphone.showLevel(rmsDb);
      this.#showHint(sound, rmsDb);
    };
    look();
  }

  /** @param rmsDb level of the microphone; null: as before */
  #showHint(sound: Sound, rmsDb: number | null): void {
    const nowS = performance.now() / 1000;
    if (rmsDb !== null) this.#quietSinceS = rmsDb > SILENCE_DB ? null : (this.#quietSinceS ?? nowS);
    const isQuiet = this.#quietSinceS !== null && nowS - this.#quietSinceS > SILENCE_S;
    let hint: TextKey | null = null;
    if (this.#isListening) hint = null;
    else if (sound.isMicrophoneLost) hint = "microphone_lost";
    else if (sound.isSystemMuted) hint = "muted_by_system";
    else if (isQuiet) hint = "silent_microphone";
    this.#view.setHint(hint);
  }

  async #useDevices({ microphone, speaker }: Devices): Promise<void> {
    this.#remember({ microphone, speaker });
    if (this.#sound === null) return;
    if (!this.#isListening) await this.#sound.setMicrophone(microphone || "default");
    await this.#sound.setSpeaker(speaker || "default");
  }

  async #copy(): Promise<void> {
    await navigator.clipboard.writeText(location.href);
    setText(byId("copy"), this.#translate("copied"));
    setTimeout(() => setText(byId("copy"), this.#translate("copy_link")), 2000);
  }

  async #keepAwake(): Promise<void> {
    if (this.#sound === null || document.visibilityState !== "visible") return;
    try {
      this.#wakeLock ??= await navigator.wakeLock.request("screen");
      this.#wakeLock.onrelease = () => (this.#wakeLock = null);
    } catch {
      // a browser without it lets the screen go dark
    }
  }

  // -- the end -----------------------------------------------------------------------------------

  #leave(): void {
    this.#tell({ type: "leave" });
  }

  #end(trouble: Trouble, text = ""): void {
    if (trouble === "taken_over") this.#leave();
    void this.#sound?.close();
    this.#sound = null;
    void this.#wakeLock?.release();
    this.#tabs.leave();
    this.#show(null);
    const isWrongCode = trouble === "code";
    if (isWrongCode && this.#invitation?.kind === "peer") this.#invitation = { kind: "peer", code: "" };
    const onAgain = (): void => {
      if (isWrongCode) this.#askForCode();
      else if (trouble === "taken_over") void this.#tabs.takeOver().then(() => this.#join(true));
      else void this.#join(!this.#isListening);
    };
    const mayMakeRoom = this.#about.serves === "rooms" && ["left", "full", "link"].includes(trouble);
    const isOver = ["load", "failed", "version"].includes(trouble);
    this.#problem.show(trouble, { what: text }, isOver ? undefined : onAgain, mayMakeRoom);
  }

  #askForCode(): void {
    history.replaceState(null, "", location.pathname);
    this.begin();
    const field = byId<HTMLInputElement>("code");
    field.value = "";
    field.focus();
  }

  #show(shown: Section | null): void {
    for (const section of SECTIONS) byId(section).hidden = section !== shown;
  }

  #setBusy(key: TextKey | null): void {
    byId("progress").hidden = key === null;
    setText(byId("progress"), key === null ? "" : this.#translate(key));
    for (const id of ["join", "listen"]) byId<HTMLButtonElement>(id).disabled = key !== null;
  }

  #remember(part: Partial<Preferences>): void {
    Object.assign(this.#preferences, part);
    savePreferences(this.#preferences);
  }
}

/** Which card explains why there is no sound, and what the browser said. */
function soundTrouble(error: unknown): [Trouble, string] {
  if (!(error instanceof MicrophoneError)) return ["load", String(error)]; // the worklets' files
  const troubles: Readonly<Record<typeof error.reason, Trouble>> = {
    insecure: "insecure",
    denied: "denied",
    missing: "none",
    busy: "busy",
    other: "failed",
  };
  return [troubles[error.reason], error.message];
}

/** What this browser lacks; null: nothing that a call needs. */
function lacking(): string | null {
  if (typeof WebAssembly !== "object") return "WebAssembly";
  if (typeof AudioWorkletNode !== "function") return "AudioWorklet";
  if (!("locks" in navigator)) return "Web Locks";
  return null;
}

/** An address that browsers do not trust has no microphone, and nothing else that a call needs. */
function explainInsecure(): void {
  const language = chooseLanguage(navigator.languages);
  const translate = translator(language);
  document.documentElement.lang = language;
  translatePage(document, translate);
  new ProblemView(translate, () => {}, () => {}).show("insecure", { address: location.host });
}

async function main(): Promise<void> {
  if (!window.isSecureContext) {
    explainInsecure();
    return;
  }
  const about = (await (await fetch("/about.json")).json()) as About;
  const missing = lacking();
  const page = new CallPage(about);
  if (missing === null) page.begin();
  else page.explainOld(missing);
}

void main();
