/** Codes that people read to each other: a number and words, `7-guitar-orbit-velvet`. */

const CODE = /^\d{1,2}(?:[-_. ]+[a-z]+){2,}$/;

/** Whether `text` looks like a code, however it was typed. */
export function isCodePhrase(text: string): boolean {
  return CODE.test(text.trim().toLowerCase());
}

/**
 * A code as it was made, whatever case and separators it was typed with; other secrets are returned
 * unchanged.
 */
export function tidyCodePhrase(text: string): string {
  if (!isCodePhrase(text)) return text;
  return (text.toLowerCase().match(/\d+|[a-z]+/g) ?? []).join("-");
}
