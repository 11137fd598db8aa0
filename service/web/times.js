// Times for people, in the zone of the person who looks; the gallery itself keeps UTC.

const LANGUAGE = navigator.language.startsWith("en") ? navigator.language : "en-GB";
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const DAY = { day: "numeric", month: "short", year: "numeric" };
const HOUR = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const MINUTE = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short", ...HOUR });
const MINUTE_WITH_YEAR = new Intl.DateTimeFormat(LANGUAGE, { ...DAY, ...HOUR });
const SHORT = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short", ...CLOCK });
const SHORT_WITH_YEAR = new Intl.DateTimeFormat(LANGUAGE, { ...DAY, ...CLOCK });
const LONG = new Intl.DateTimeFormat(LANGUAGE, { weekday: "short", ...DAY, ...CLOCK, timeZoneName: "short" });
const DATE = new Intl.DateTimeFormat(LANGUAGE, DAY);

/** "1 May, 14:03:12" (with the year when it is another one); the text itself when it is no time. */
export function shortTime(iso) {
  return written(iso, (time) => (isThisYear(time) ? SHORT : SHORT_WITH_YEAR).format(time));
}

/** "1 May, 14:03" (with the year when it is another one). */
export function minuteTime(iso) {
  return written(iso, (time) => (isThisYear(time) ? MINUTE : MINUTE_WITH_YEAR).format(time));
}

/** "1 May, 14:03 – 15:00": as short as the two times allow. */
export function minuteSpan(from, until) {
  return written(from, (first) => written(until, (last) => (isThisYear(first) && isThisYear(last) ? MINUTE : MINUTE_WITH_YEAR).formatRange(first, last)));
}

/** "Fri, 1 May 2026, 14:03:12 CEST". */
export function longTime(iso) {
  return written(iso, (time) => LONG.format(time));
}

/** "1 – 3 May 2026". */
export function dateSpan(first, last) {
  return written(first, (from) => written(last, (until) => DATE.formatRange(from, until)));
}

/** The name of the zone in which this page writes times, "Europe/Berlin". */
export function zone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** ISO 8601 UTC -> the value of a datetime-local field, with seconds only where there are some; "" for "". */
export function toField(iso) {
  if (!iso) return "";
  const time = new Date(iso);
  const shifted = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, time.getSeconds() ? 19 : 16);
}

/** The value of a datetime-local field -> ISO 8601 UTC; "" for "". */
export function fromField(value) {
  const time = new Date(value);
  return value && !Number.isNaN(time.getTime()) ? time.toISOString() : "";
}

function isThisYear(time) {
  return time.getFullYear() === new Date().getFullYear();
}

function written(iso, write) {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? String(iso) : write(time);
}
