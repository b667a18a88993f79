/** The list of versions: which one is heard, and what each takes. */
import { SAMPLE_RATE } from "../../config";
import type { Translate } from "../../i18n";
import { byId, create, setText } from "../dom";
import type { RateInfo } from "./messages";

interface Row {
  readonly input: HTMLInputElement;
  readonly size: HTMLElement;
}

/** Number 0 is the original, the rates of the ladder follow. */
export class VersionsView {
  #rates: readonly RateInfo[] = [];
  #rows: Row[] = [];
  #seconds = 0;
  #chosen = 0;

  constructor(
    private readonly translate: Translate,
    private readonly language: string,
    private readonly onchoice: (version: number) => void,
  ) {}

  get chosen(): number {
    return this.#chosen;
  }

  setRates(rates: readonly RateInfo[]): void {
    this.#rates = rates;
    if (this.#seconds) this.#build();
  }

  /** A new sound of so many samples: nothing but the original is there yet. */
  begin(samples: number): void {
    this.#seconds = samples / SAMPLE_RATE;
    this.#build();
  }

  nameOf(version: number): string {
    const rate = this.#rates[version - 1];
    return rate ? this.translate("try_rate", { rate: rate.name }) : this.translate("try_original");
  }

  /** A version is there, and takes so many bytes. */
  setSize(version: number, bytes: number): void {
    const row = this.#rows[version];
    if (!row) return;
    row.input.disabled = false;
    const kbps = this.#number((bytes * 8) / this.#seconds / 1000, 2);
    setText(row.size, this.translate("try_size", { bytes: this.#number(bytes, 0), kbps }));
  }

  /** Show which one is heard; null for none, while that is a secret. */
  choose(version: number | null): void {
    if (version !== null) this.#chosen = version;
    this.#rows.forEach(({ input }, n) => (input.checked = n === version));
  }

  #build(): void {
    this.#rows = [];
    const labels = Array.from({ length: this.#rates.length + 1 }, (_, version) => {
      const label = create("label", "version");
      const input = create("input");
      input.type = "radio";
      input.name = "version";
      input.disabled = version > 0;
      input.onchange = () => this.onchoice(version);
      const size = create("span", "size");
      label.append(input, create("span", "name", this.nameOf(version)), size);
      this.#rows.push({ input, size });
      return label;
    });
    byId("versions").replaceChildren(...labels);
    this.setSize(0, Math.round(this.#seconds * SAMPLE_RATE) * 2);
    this.choose(this.#chosen);
  }

  #number(value: number, digits: number): string {
    return value.toLocaleString(this.language, { maximumFractionDigits: digits });
  }
}
