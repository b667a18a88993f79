import { describe, expect, it } from "vitest";
import { chooseLanguage, type TextKey, translator } from "../../src/i18n";
import { de } from "../../src/i18n/de";
import { en } from "../../src/i18n/en";
import { es } from "../../src/i18n/es";

const holes = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(String).sort();

describe("words", () => {
  it.each([["de", de], ["es", es]])("%s says the same, with the same holes", (_, texts) => {
    expect(Object.keys(texts)).toEqual(Object.keys(en));
    for (const key of Object.keys(en) as TextKey[]) {
      expect(texts[key]).not.toBe("");
      expect(holes(texts[key]), key).toEqual(holes(en[key]));
    }
  });

  it("come in the first language that there are words for", () => {
    expect(chooseLanguage(["fr-CA", "de-AT", "en"])).toBe("de");
    expect(chooseLanguage(["es"])).toBe("es");
    expect(chooseLanguage(["fr"])).toBe("en");
    expect(chooseLanguage([])).toBe("en");
  });

  it("are filled in, and never with what else is in the values", () => {
    const translate = translator("en");
    expect(translate("event_joined", { name: "{name}" })).toBe("{name} is here");
    expect(translate("event_joined")).toBe("{name} is here");
  });
});
