// The address bar is the page's memory: what is asked for is read from it and written to it, so that reload, back,
// bookmarks and shared links bring the same search. A picture is the one thing that an address does not hold: it
// stands there by its name only (pictures.js), because addresses are kept in histories and sent around.

export const FIRST_HITS = 24;
export const MORE_HITS = 200;
export const MOST_PARTS = 16; // of one query: its words, its picture, and each row that it should be like or not
const LIKE = 1;
const NOT_LIKE = -0.1; // of all together; see README.md for how both were chosen
const FACT = "is.";
const NOTHING = "./"; // the address of no query
const SINGLE = ["q", "picture", "from", "until", "by"]; // of these the first is read

/**
 * @typedef {{text: string, picture: string, like: number[], not: number[], cameras: string[], seenFrom: string,
 *   seenUntil: string, facts: Map<string, string[]>, byTrack: boolean}} Query
 * picture: the name of one of pictures.js, or empty. like, not: ids of rows. Times are ISO 8601 in UTC, or empty.
 */

/** @returns {Query} */
export function emptyQuery() {
  return { text: "", picture: "", like: [], not: [], cameras: [], seenFrom: "", seenUntil: "", facts: new Map(), byTrack: false };
}

/** Whether there is anybody to search for. */
export function asksForSomebody(query) {
  return Boolean(query.text || query.picture || query.like.length);
}

/** Of how many parts a query consists. */
export function countParts(query) {
  return Number(Boolean(query.text)) + Number(Boolean(query.picture)) + query.like.length + query.not.length;
}

/** Whether some rows are left out from the start. */
export function isFiltered(query) {
  return Boolean(query.cameras.length || query.seenFrom || query.seenUntil || query.facts.size);
}

/** @returns {Query} what an address asks for; anything senseless in it is left out */
export function readAddress(location) {
  const given = new URLSearchParams(location.search);
  const facts = new Map();
  for (const [name, value] of given) {
    if (name.length > FACT.length && name.startsWith(FACT)) addTo(facts, name.slice(FACT.length), value);
  }
  const like = ids(given.getAll("like"));
  return {
    text: (given.get("q") ?? "").trim(),
    picture: /^[0-9a-f]{16}$/.test(given.get("picture") ?? "") ? given.get("picture") : "",
    like,
    not: ids(given.getAll("not")).filter((id) => !like.includes(id)),
    cameras: [...new Set(given.getAll("camera"))].filter(Boolean),
    seenFrom: isoTime(given.get("from")),
    seenUntil: isoTime(given.get("until")),
    facts,
    byTrack: given.get("by") === "track",
  };
}

/** One more value of a name, once. */
export function addTo(values, name, value) {
  const before = values.get(name) ?? [];
  if (!before.includes(value)) values.set(name, [...before, value]);
}

/** What an address says that `readAddress` makes nothing of, as it stands there: a misspelt name, a time that is none. */
export function unreadIn(location) {
  const given = [...new URLSearchParams(location.search)].filter(([, value]) => value.trim());
  const isFirst = (name, place) => given.findIndex(([other]) => other === name) === place;
  const isRead = ([name, value], place) => asksAnything(name, value) && (!SINGLE.includes(name) || isFirst(name, place));
  return given.filter((one, place) => !isRead(one, place)).map(([name, value]) => `${name}=${value}`);
}

function asksAnything(name, value) {
  return addressOf(readAddress({ search: `?${new URLSearchParams([[name, value]])}` })) !== NOTHING;
}

/** The address of a query, relative to the page. */
export function addressOf(query) {
  const given = new URLSearchParams();
  if (query.text) given.set("q", query.text);
  if (query.picture) given.set("picture", query.picture);
  for (const id of query.like) given.append("like", String(id));
  for (const id of query.not) given.append("not", String(id));
  for (const camera of query.cameras) given.append("camera", camera);
  if (query.seenFrom) given.set("from", query.seenFrom);
  if (query.seenUntil) given.set("until", query.seenUntil);
  for (const [name, values] of query.facts) for (const value of values) given.append(FACT + name, value);
  if (query.byTrack) given.set("by", "track");
  const text = given.toString();
  return text ? `?${text}` : NOTHING;
}

/**
 * The body of POST /v1/search for a query.
 * @param {string | null} picture its picture as base64, null where it has none or it is lost
 * @param {number} hits how many are wanted, from `offset` on
 */
export function searchBody(query, picture, hits, offset = 0) {
  const body = { ...whom(query, picture), top_k: hits };
  if (offset) body.offset = offset;
  if (query.byTrack) body.group_by = "track";
  const filter = filterOf(query);
  return Object.keys(filter).length ? { ...body, filter } : body;
}

function whom(query, picture) {
  if (query.text && !picture && !query.like.length && !query.not.length) return { text: query.text };
  return {
    parts: [
      ...(query.text ? [{ text: query.text }] : []),
      ...(picture ? [{ image: picture }] : []),
      ...query.like.map((item) => ({ item, weight: LIKE })),
      ...query.not.map((item) => ({ item, weight: NOT_LIKE / query.not.length })),
    ],
  };
}

function filterOf(query) {
  const filter = {};
  if (query.cameras.length) filter.cameras = query.cameras;
  if (query.seenFrom) filter.seen_from = query.seenFrom;
  if (query.seenUntil) filter.seen_until = query.seenUntil;
  const conditions = [...query.facts].map(([name, values]) => `${quoted(name)} in (${values.map(quoted).join(", ")})`);
  if (query.not.length) conditions.push(`id not in (${query.not.join(", ")})`);
  if (conditions.length) filter.where = conditions.join(" and ");
  return filter;
}

/** A name or a value as the filter language reads it, whatever is in it. */
function quoted(text) {
  return JSON.stringify(text);
}

function ids(texts) {
  return [...new Set(texts.filter((text) => /^\d{1,15}$/.test(text)).map(Number))];
}

function isoTime(text) {
  const time = new Date(text ?? "");
  return text && !Number.isNaN(time.getTime()) ? time.toISOString() : "";
}
