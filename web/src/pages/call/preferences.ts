/** What the page remembers from call to call, in this browser alone. */

const KEY = "q2d2.call";

export interface Preferences {
  name: string;
  microphone: string;
  speaker: string;
  /** Index into the ladder; null: the codec's usual one. */
  rate: number | null;
  isPushToTalk: boolean;
}

const DEFAULTS: Preferences = {
  name: "",
  microphone: "",
  speaker: "",
  rate: null,
  isPushToTalk: false,
};

/** What was remembered; a private window may not keep anything. */
export function loadPreferences(): Preferences {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { ...DEFAULTS, ...(kept as Partial<Preferences>) };
  } catch {
    return { ...DEFAULTS };
  }
}

export function savePreferences(preferences: Preferences): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // nothing is remembered, then
  }
}
