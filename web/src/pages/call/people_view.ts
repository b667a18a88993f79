/** Who is here: names, who talks, how loud each is heard. */
import type { TextKey, Translate } from "../../i18n";
import { byId, create, setText } from "../dom";

interface Person {
  readonly item: HTMLLIElement;
  readonly name: HTMLElement;
  readonly what: HTMLElement;
  readonly volume: HTMLInputElement;
  readonly button: HTMLButtonElement;
  isNamed: boolean;
  isHeard: boolean;
  hasMuted: boolean;
  isRecording: boolean;
  isTalking: boolean;
  isSilenced: boolean;
}

export class PeopleView {
  readonly #list = byId<HTMLUListElement>("people");
  readonly #people = new Map<number, Person>();
  readonly #translate: Translate;
  readonly #setGain: (member: number, gain: number) => void;
  /** Whether each one can be made louder or softer: in a call of two the system's volume does. */
  hasControls = true;

  constructor(translate: Translate, setGain: (member: number, gain: number) => void) {
    this.#translate = translate;
    this.#setGain = setGain;
  }

  get count(): number {
    return this.#people.size;
  }

  nameOf(member: number): string {
    return this.#people.get(member)?.name.textContent || this.#translate("somebody");
  }

  /** Somebody came, whose name may follow. */
  add(member: number): void {
    if (this.#people.has(member)) return;
    const item = create("li", "person");
    const dot = create("span", "dot");
    dot.setAttribute("aria-hidden", "true");
    const name = create("span", "name", this.#translate("somebody"));
    const what = create("span", "what");
    item.append(dot, name, what);
    const controls = create("div", "controls");
    const volume = create("input");
    volume.type = "range";
    [volume.min, volume.max, volume.step, volume.value] = ["0", "1", "0.05", "1"];
    const button = create("button");
    button.type = "button";
    controls.append(volume, button);
    if (this.hasControls) item.append(controls);
    const person: Person = {
      item, name, what, volume, button,
      isNamed: false, isHeard: true, hasMuted: false, isRecording: false, isTalking: false,
      isSilenced: false,
    }; // prettier-ignore
    volume.oninput = () => this.#apply(member, person);
    button.onclick = () => {
      person.isSilenced = !person.isSilenced;
      this.#apply(member, person);
    };
    this.#people.set(member, person);
    this.#list.append(item);
    this.#show(person);
  }

  /** Returns whether the name is a new one. */
  setName(member: number, name: string, isHeard: boolean): boolean {
    this.add(member);
    const person = this.#people.get(member)!;
    const isNew = !person.isNamed || person.name.textContent !== name;
    person.isNamed = true;
    person.isHeard = isHeard;
    setText(person.name, name);
    this.#show(person);
    return isNew;
  }

  setMuted(member: number, hasMuted: boolean): void {
    const person = this.#people.get(member);
    if (person === undefined) return;
    person.hasMuted = hasMuted;
    this.#show(person);
  }

  /** Somebody keeps what is said. */
  setRecording(member: number, isRecording: boolean): void {
    const person = this.#people.get(member);
    if (person === undefined) return;
    person.isRecording = isRecording;
    this.#show(person);
  }

  /** Who is heard now. */
  setTalking(talking: readonly number[]): void {
    for (const [member, person] of this.#people) {
      const isTalking = talking.includes(member) && !person.hasMuted;
      if (isTalking === person.isTalking) continue;
      person.isTalking = isTalking;
      this.#show(person);
    }
  }

  remove(member: number): void {
    this.#people.get(member)?.item.remove();
    this.#people.delete(member);
  }

  clear(): void {
    for (const member of [...this.#people.keys()]) this.remove(member);
  }

  #apply(member: number, person: Person): void {
    this.#setGain(member, person.isSilenced ? 0 : Number(person.volume.value));
    this.#show(person);
  }

  #show(person: Person): void {
    const name = person.name.textContent ?? "";
    person.item.classList.toggle("talking", person.isTalking);
    const what: TextKey[] = person.isRecording ? ["recording"] : [];
    if (!person.isHeard) what.push("unheard");
    else if (person.hasMuted) what.push("muted");
    else if (person.isTalking) what.push("talking");
    setText(person.what, what.map((key) => this.#translate(key)).join(", "));
    person.volume.disabled = person.isSilenced;
    person.volume.setAttribute("aria-label", this.#translate("volume_of", { name }));
    setText(person.button, this.#translate(person.isSilenced ? "unmute" : "mute"));
    person.button.setAttribute(
      "aria-label",
      this.#translate(person.isSilenced ? "unmute_person" : "mute_person", { name }),
    );
  }
}
