/** Choice of microphone and loudspeaker. */
import type { Translate } from "../../i18n";
import { byId } from "../dom";

/** Which of several devices; empty for the system's choice. */
export interface Devices {
  readonly microphone: string;
  readonly speaker: string;
}

export class DevicesView {
  readonly #microphone = byId<HTMLSelectElement>("microphone");
  readonly #speaker = byId<HTMLSelectElement>("speaker");
  readonly #translate: Translate;

  constructor(translate: Translate, onChange: (devices: Devices) => void) {
    this.#translate = translate;
    this.#microphone.onchange = this.#speaker.onchange = () => onChange(this.chosen);
    // Safari and older Firefox play where the system says.
    byId("speaker-row").hidden = !("setSinkId" in AudioContext.prototype);
  }

  get chosen(): Devices {
    return { microphone: this.#microphone.value, speaker: this.#speaker.value };
  }

  /** List what there is; names are known only once the microphone was allowed. */
  async list(wanted: Devices): Promise<void> {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const fill = (select: HTMLSelectElement, kind: MediaDeviceKind, value: string): void => {
      const usual = new Option(this.#translate("default_device"), "");
      const options = devices
        .filter((device) => device.kind === kind && device.deviceId && device.deviceId !== "default")
        .map((device) => new Option(device.label || device.deviceId, device.deviceId));
      select.replaceChildren(usual, ...options);
      select.value = options.some((option) => option.value === value) ? value : "";
    };
    fill(this.#microphone, "audioinput", wanted.microphone);
    fill(this.#speaker, "audiooutput", wanted.speaker);
  }

  /** Put the choice into a card: that of the lobby or that of the call. */
  moveTo(card: HTMLElement): void {
    card.append(byId("devices"));
  }
}

