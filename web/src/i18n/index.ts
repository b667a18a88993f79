/** The page's words in the reader's language. */

import { de } from "./de";
import { en, type TextKey, type Texts } from "./en";
import { es } from "./es";

export type { TextKey } from "./en";

const LANGUAGES: Readonly<Record<string, Texts>> = { en, de, es };

/** The first of the reader's languages that there are words for. */
export function chooseLanguage(wanted: readonly string[]): string {
  for (const tag of wanted) {
    const language = tag.toLowerCase().split("-")[0] ?? "";
    if (language in LANGUAGES) return language;
  }
  return "en";
}

export type Translate = (key: TextKey, values?: Readonly<Record<string, string | number>>) => string;

/** What finds the words of a language and fills in what stands in braces. */
export function translator(language: string): Translate {
  const texts = LANGUAGES[language] ?? en;
  return (key, values = {}) =>
    texts[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Put words into the elements that say which: data-text, data-label, data-placeholder. */
export function translatePage(root: ParentNode, translate: Translate): void {
  for (const element of root.querySelectorAll<HTMLElement>("[data-text]"))
    element.textContent = translate(element.dataset["text"] as TextKey);
  for (const element of root.querySelectorAll<HTMLElement>("[data-label]"))
    element.setAttribute("aria-label", translate(element.dataset["label"] as TextKey));
}
