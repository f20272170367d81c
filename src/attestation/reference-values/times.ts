const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;
const LIFETIME_MONTHS = 12;

/** @returns milliseconds since the epoch; `undefined` for what is not an RFC 3339 time */
export function parseTime(text: string): number | undefined {
  const time = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** Whole seconds with `Z`, as the provider protocol stores times. */
export function wholeSeconds(milliseconds: number): string {
  return new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().replace(/\.\d{3}Z$/, "Z");
}

/** @returns milliseconds since the epoch, twelve months after `now` */
export function defaultExpiry(now: number): number {
  const date = new Date(now);
  const day = date.getUTCDate();
  date.setUTCMonth(date.getUTCMonth() + LIFETIME_MONTHS);
  // From a 29 February the date rolls over into March; the last day of the month is meant.
  if (date.getUTCDate() !== day) date.setUTCDate(0);
  return date.getTime();
}
