/** The blind comparison: hear A and B, say which is the original. */
import type { Translate } from "../../i18n";
import { byId, create, setText } from "../dom";
import { BlindTest, type Side } from "./blind_test";
import type { RateInfo } from "./messages";

const SIDES: readonly Side[] = ["A", "B"];

/** Its tally begins anew with another sound or another rate. */
export class BlindView {
  #test = new BlindTest();
  readonly #rate = byId<HTMLSelectElement>("blind-rate");

  /**
   * @param onhear told which version is to be heard
   * @param onstop told when nothing is to be heard any more
   */
  constructor(
    private readonly translate: Translate,
    private readonly onhear: (version: number) => void,
    private readonly onstop: () => void,
  ) {
    this.#rate.onchange = () => this.begin();
    for (const side of SIDES) {
      hearButton(side).onclick = () => this.#hear(side);
      byId(`vote-${side.toLowerCase()}`).onclick = () => this.#vote(side);
    }
  }

  setRates(rates: readonly RateInfo[]): void {
    const options = rates.map(({ name }, n) => {
      const option = create("option", "", this.translate("try_rate", { rate: name }));
      option.value = String(n + 1);
      return option;
    });
    this.#rate.replaceChildren(...options);
    this.#rate.value = String(rates.length);
  }

  begin(): void {
    this.#test = new BlindTest();
    this.stopHearing();
    setText(byId("verdict"), "");
  }

  /** Something else is heard now. */
  stopHearing(): void {
    for (const side of SIDES) hearButton(side).ariaPressed = "false";
  }

  #hear(side: Side): void {
    for (const each of SIDES) hearButton(each).ariaPressed = String(each === side);
    this.onhear(this.#test.isOriginal(side) ? 0 : Number(this.#rate.value));
  }

  #vote(side: Side): void {
    const isRight = this.#test.vote(side);
    const { right, trials, chance } = this.#test;
    const tally = { right, trials, chance: Math.round(100 * chance) };
    const verdict = this.translate(isRight ? "try_right" : "try_wrong");
    setText(byId("verdict"), `${verdict} ${this.translate("try_tally", tally)}`);
    // What goes on or changes would tell whether sides were swapped.
    this.stopHearing();
    this.onstop();
  }
}

function hearButton(side: Side): HTMLButtonElement {
  return byId<HTMLButtonElement>(`hear-${side.toLowerCase()}`);
}
