// The address bar is the page's memory: what is asked for is read from it and written to it, so that reload, back,
// bookmarks and shared links bring the same search.

export const FIRST_HITS = 24;
export const MOST_HITS = 200;

/**
 * @typedef {{text: string, cameras: string[], seenFrom: string, seenUntil: string, topK: number}} Query
 * Times are ISO 8601 in UTC, or empty.
 */

/** @returns {Query} */
export function emptyQuery() {
  return { text: "", cameras: [], seenFrom: "", seenUntil: "", topK: FIRST_HITS };
}

/** @returns {Query} what an address asks for; anything senseless in it is left out */
export function readAddress(location) {
  const given = new URLSearchParams(location.search);
  const topK = Number(given.get("k"));
  return {
    text: (given.get("q") ?? "").trim(),
    cameras: [...new Set(given.getAll("camera"))],
    seenFrom: isoTime(given.get("from")),
    seenUntil: isoTime(given.get("until")),
    topK: Number.isInteger(topK) && topK >= 1 && topK <= MOST_HITS ? topK : FIRST_HITS,
  };
}

/** The address of a query, relative to the page. */
export function addressOf(query) {
  const given = new URLSearchParams();
  if (query.text) given.set("q", query.text);
  for (const camera of query.cameras) given.append("camera", camera);
  if (query.seenFrom) given.set("from", query.seenFrom);
  if (query.seenUntil) given.set("until", query.seenUntil);
  if (query.topK !== FIRST_HITS) given.set("k", String(query.topK));
  const text = given.toString();
  return text ? `?${text}` : "./";
}

/** The body of POST /v1/search for a query. */
export function searchBody(query) {
  const filter = {};
  if (query.cameras.length) filter.cameras = query.cameras;
  if (query.seenFrom) filter.seen_from = query.seenFrom;
  if (query.seenUntil) filter.seen_until = query.seenUntil;
  const body = { text: query.text, top_k: query.topK };
  return Object.keys(filter).length ? { ...body, filter } : body;
}

function isoTime(text) {
  const time = new Date(text ?? "");
  return text && !Number.isNaN(time.getTime()) ? time.toISOString() : "";
}
