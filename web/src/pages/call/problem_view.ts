/** The card that says what is wrong, and what to do about it. */
import type { Problem } from "../../call/events";
import type { TextKey, Translate } from "../../i18n";
import { byId, setText } from "../dom";

/** Everything that ends a call or keeps it from beginning. */
export type Trouble =
  | "denied" | "none" | "busy" | "insecure" | "old" | "code" | "link" | "full" | "limit"
  | "line_busy" | "version" | "gone" | "tab" | "load" | "failed"
  | "left" | "by_other" | "taken_over" | "lost"; // prettier-ignore

interface Words {
  readonly title: TextKey;
  readonly text: TextKey;
  readonly action: TextKey;
}

const ENDED = { title: "state_ended", action: "join_again" } as const;
const WORDS: Readonly<Record<Trouble, Words>> = {
  denied: { title: "problem_denied", text: "problem_denied_text", action: "again" },
  none: { title: "problem_none", text: "problem_none_text", action: "again" },
  busy: { title: "problem_busy", text: "problem_busy_text", action: "again" },
  insecure: { title: "problem_insecure", text: "problem_insecure_text", action: "reload" },
  old: { title: "problem_old", text: "problem_old_text", action: "reload" },
  code: { title: "problem_code", text: "problem_code_text", action: "again" },
  link: { title: "problem_link", text: "problem_link_text", action: "again" },
  full: { title: "problem_full", text: "problem_full_text", action: "again" },
  limit: { title: "problem_limit", text: "problem_limit_text", action: "again" },
  line_busy: { title: "problem_line_busy", text: "problem_line_busy_text", action: "again" },
  version: { title: "problem_version", text: "problem_version_text", action: "reload" },
  gone: { title: "problem_gone", text: "problem_gone_text", action: "again" },
  tab: { title: "problem_tab", text: "problem_tab_text", action: "take_over" },
  load: { title: "problem_load", text: "problem_load_text", action: "reload" },
  failed: { title: "problem_failed", text: "problem_failed_text", action: "reload" },
  left: { ...ENDED, text: "ended_left" },
  by_other: { ...ENDED, text: "ended_by_other" },
  taken_over: { ...ENDED, text: "ended_taken_over", action: "take_over" },
  lost: { ...ENDED, text: "ended_lost" },
};

/** Those that another device or a walk to the menu can mend: one may listen meanwhile. */
const MAY_LISTEN: readonly Trouble[] = ["denied", "none", "busy"];

/** What the end of a connection is to the user. */
export function troubleOf(problem: Problem, byPeer: boolean, wasOpen: boolean): Trouble {
  switch (problem) {
    case "ended":
      return byPeer ? "by_other" : "left";
    case "secret":
      return "code";
    case "busy":
      return "line_busy";
    case "version":
    case "model":
      return "version";
    case "taken over":
      return "taken_over";
    case "link":
    case "full":
    case "limit":
      return problem;
    case "unreachable":
    case "lost":
    case "timeout":
      return wasOpen ? "lost" : "gone";
    case "other":
      return "failed";
  }
}

export class ProblemView {
  readonly #card = byId("problem");
  readonly #again = byId<HTMLButtonElement>("problem-again");
  readonly #translate: Translate;
  #onAction: () => void = () => {};

  constructor(translate: Translate, onListen: () => void, onNewRoom: () => void) {
    this.#translate = translate;
    this.#again.onclick = () => this.#onAction();
    byId("problem-listen").onclick = onListen;
    byId("problem-new").onclick = onNewRoom;
  }

  /**
   * @param details fills in what stands in braces in the text
   * @param onAction what the button does; none: the page is loaded again
   */
  show(
    trouble: Trouble,
    details: Readonly<Record<string, string>> = {},
    onAction: () => void = () => location.reload(),
    mayMakeRoom = false,
  ): void {
    const { title, text, action } = WORDS[trouble];
    setText(byId("problem-title"), this.#translate(title));
    setText(byId("problem-text"), this.#translate(text, details));
    setText(this.#again, this.#translate(action));
    this.#card.dataset["trouble"] = trouble;
    byId("problem-insecure").hidden = trouble !== "insecure";
    if (trouble === "insecure")
      setText(
        byId("problem-ssh"),
        this.#translate("problem_insecure_2", { port: location.port || "443" }),
      );
    byId("problem-listen").hidden = !MAY_LISTEN.includes(trouble);
    byId("problem-new").hidden = !mayMakeRoom;
    this.#onAction = onAction;
    this.#card.hidden = false;
    this.#card.focus();
  }

  hide(): void {
    this.#card.hidden = true;
  }
}
