/**
 * Characters that JSON leaves as they are but a terminal or a log viewer acts upon: DEL and the C1 controls,
 * line and paragraph separators, bidirectional overrides, zero-width marks.
 */
const ACTIVE = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * Makes a line of JSON safe to look at. Such characters can only stand inside strings, so writing them as JSON
 * escapes changes neither the document nor its meaning; everything below U+0020 is escaped by JSON itself.
 */
export function escapeActiveCharacters(line: string): string {
  return line.replace(ACTIVE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A value from outside, shortened to what a log needs. */
export function shortened(text: string, maxLength = 300): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength)}… (${text.length} characters)`;
}
