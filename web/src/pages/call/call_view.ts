/** The card of a call that is on: state, hints, numbers, rate. */
import type { Numbers, RateChoice } from "../../call/worker_messages";
import type { TextKey, Translate } from "../../i18n";
import { byId, setText } from "../dom";

export class CallView {
  readonly #translate: Translate;
  readonly #rate = byId<HTMLSelectElement>("rate");

  constructor(translate: Translate, onRate: (rate: number) => void) {
    this.#translate = translate;
    this.#rate.onchange = () => onRate(Number(this.#rate.value));
  }

  setState(key: TextKey): void {
    const element = byId("state");
    setText(element, this.#translate(key));
    element.dataset["state"] = key;
  }

  /** Something that the user can mend; null: nothing is wrong. */
  setHint(key: TextKey | null): void {
    const element = byId("hint");
    element.hidden = key === null;
    setText(element, key === null ? "" : this.#translate(key));
  }

  setFingerprint(digits: string | null): void {
    const element = byId("fingerprint");
    element.hidden = digits === null;
    if (digits === null) return;
    const spaced = digits.replace(/(\d{4})(?=\d)/g, "$1 ");
    setText(
      element,
      `${this.#translate("fingerprint", { digits: spaced })}. ${this.#translate("fingerprint_hint")}`,
    );
  }

  listRates(rates: readonly RateChoice[], chosen: number): void {
    const options = rates.map(({ index, name }) => {
      return new Option(this.#translate("rate_option", { name }), String(index));
    });
    this.#rate.replaceChildren(...options);
    this.#rate.value = String(chosen);
  }

  showNumbers(numbers: Numbers): void {
    const number = (value: number, digits: number): string =>
      value.toLocaleString(document.documentElement.lang, {
        minimumFractionDigits: digits,
        maximumFractionDigits: digits,
      });
    const ms = (value: number): string => this.#translate("ms", { value: number(value, 0) });
    const kbps = (value: number): string => this.#translate("kbps", { value: number(value, 1) });
    setText(byId("sending"), kbps(numbers.sentKbps));
    setText(byId("receiving"), kbps(numbers.receivedKbps));
    setText(byId("round-trip"), numbers.rttMs === null ? "–" : ms(numbers.rttMs));
    setText(byId("buffer"), ms(numbers.bufferMs));
    setText(byId("lost"), this.#translate("percent", { value: number(numbers.lostPercent, 1) }));
  }
}
