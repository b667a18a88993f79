/** The large button, its keys, and the meter beside it. */
import type { Translate } from "../../i18n";
import { byId, setText } from "../dom";

/** What the user wants with the microphone. */
export interface MicrophoneWish {
  readonly isMuted: boolean;
  readonly isPushToTalk: boolean;
  /** The key or button of push-to-talk. */
  readonly isHeld: boolean;
}

const INTERACTIVE = "a, button, input, select, textarea, summary, [contenteditable]";

export class MicrophoneView {
  readonly #button = byId<HTMLButtonElement>("mute");
  readonly #checkbox = byId<HTMLInputElement>("ptt");
  readonly #level = byId<HTMLMeterElement>("level");
  readonly #translate: Translate;
  readonly #onChange: (wish: MicrophoneWish) => void;
  #isMuted = false;
  #isHeld = false;
  #isThere = true;

  constructor(translate: Translate, onChange: (wish: MicrophoneWish) => void) {
    this.#translate = translate;
    this.#onChange = onChange;
    this.#button.onclick = (event) => {
      if (!this.#checkbox.checked) this.toggle();
      event.preventDefault();
    };
    this.#button.onpointerdown = (event) => {
      if (event.button !== 0) return;
      this.#button.setPointerCapture(event.pointerId);
      this.#hold(true);
    };
    this.#button.onpointerup = this.#button.onpointercancel = () => this.#hold(false);
    this.#checkbox.onchange = () => this.#change();
    document.addEventListener("keydown", (event) => this.#onKey(event, true));
    document.addEventListener("keyup", (event) => this.#onKey(event, false));
    window.addEventListener("blur", () => this.#hold(false));
  }

  get wish(): MicrophoneWish {
    const isPushToTalk = this.#checkbox.checked;
    return { isMuted: this.#isMuted, isPushToTalk, isHeld: isPushToTalk && this.#isHeld };
  }

  /** A call begins, with a microphone or without. */
  begin(isThere: boolean, isPushToTalk: boolean): void {
    this.#isThere = isThere;
    this.#isMuted = this.#isHeld = false;
    this.#checkbox.checked = isPushToTalk;
    this.#checkbox.disabled = this.#button.disabled = !isThere;
    this.#show();
  }

  toggle(): void {
    if (!this.#isThere || this.#checkbox.checked) return;
    this.#isMuted = !this.#isMuted;
    this.#change();
  }

  showLevel(rmsDb: number): void {
    this.#level.value = Math.max(-60, Math.min(0, rmsDb));
  }

  #hold(isHeld: boolean): void {
    if (!this.#checkbox.checked || !this.#isThere || isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    this.#change();
  }

  #onKey(event: KeyboardEvent, isDown: boolean): void {
    if (byId("call").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.target as Element;
    const isOurs = target === this.#button || !target.closest(INTERACTIVE);
    if (event.code === "Space" && (isOurs || !isDown)) {
      if (this.#checkbox.checked) {
        if (isOurs) event.preventDefault();
        this.#hold(isDown);
      } else if (isDown && target !== this.#button) {
        // the button itself is clicked by the browser
        event.preventDefault();
        if (!event.repeat) this.toggle();
      }
    } else if (isDown && !event.repeat && isOurs && event.code === "KeyM") {
      this.toggle();
    } else if (isDown && !event.repeat && isOurs && event.code === "KeyN") {
      event.preventDefault();
      byId("note").focus();
    }
  }

  #change(): void {
    this.#show();
    this.#onChange(this.wish);
  }

  #show(): void {
    const { isPushToTalk, isHeld, isMuted } = this.wish;
    const isLive = this.#isThere && (isPushToTalk ? isHeld : !isMuted);
    this.#button.classList.toggle("live", isLive);
    this.#button.classList.toggle("off", this.#isThere && !isPushToTalk && isMuted);
    let text = this.#translate(isMuted ? "unmute" : "mute");
    if (isPushToTalk) text = this.#translate("hold_to_talk");
    if (!this.#isThere) text = this.#translate("no_microphone_here");
    setText(byId("mute-text"), text);
    setText(byId("space-hint"), this.#translate(isPushToTalk ? "space_hint_ptt" : "space_hint"));
  }
}
