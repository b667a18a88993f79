/** Notes that were sent and read, and what happened meanwhile. */
import type { Translate } from "../../i18n";
import { byId, create } from "../dom";

const MOST = 200;

export class NotesView {
  readonly #list = byId<HTMLUListElement>("notes");
  readonly #field = byId<HTMLInputElement>("note");

  constructor(onSend: (text: string) => void) {
    byId<HTMLFormElement>("note-form").onsubmit = (event) => {
      event.preventDefault();
      const text = this.#field.value.trim();
      if (text) onSend(text);
    };
  }

  /** A note of somebody's. */
  add(who: string, text: string): void {
    const item = create("li");
    item.append(create("span", "who", `${who}: `), text);
    this.#append(item);
  }

  /** Something that happened. */
  addEvent(text: string): void {
    this.#append(create("li", "event", text));
  }

  /** The note was sent: its field is free for the next. */
  sent(text: string, isSent: boolean, translate: Translate): void {
    if (!isSent) {
      this.addEvent(translate("note_not_sent"));
      return;
    }
    this.add(translate("you"), text);
    this.#field.value = "";
  }

  focus(): void {
    this.#field.focus();
  }

  clear(): void {
    this.#list.replaceChildren();
  }

  #append(item: HTMLLIElement): void {
    this.#list.append(item);
    if (this.#list.childElementCount > MOST) this.#list.firstElementChild?.remove();
    this.#list.scrollTop = this.#list.scrollHeight;
  }
}
