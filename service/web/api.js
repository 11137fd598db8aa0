// The service's answers, and its refusals as one kind of error: Problem. Addresses are relative, so the page also
// works below a path prefix.

import { keep, kept } from "./kept.js";
import { askForKey } from "./signin.js";

const PATIENCE_MS = 60_000;
const CASE = "case";
const PEOPLE_LEFT = "cskt-people-left";
const CASE_REQUIRED = "urn:cskt:problem:case-required";

/** Why an answer did not come. `kind` is "offline" (nobody answered) or "refused" (the service said why). */
export class Problem extends Error {
  constructor(kind, title, detail, { worthRetrying = true, startsIn = 0, status = 0, needsCase = false } = {}) {
    super(detail);
    this.kind = kind;
    this.title = title;
    this.worthRetrying = worthRetrying;
    this.startsIn = startsIn; // ms after which the page should ask again by itself; 0: it should not
    this.status = status;
    this.needsCase = needsCase; // in casework: no case is chosen, or the chosen one is not open
  }
}

let peopleLeft = Infinity;

/** How many further people one may be shown today, as the last answer said; Infinity: there is no such limit. */
export function peopleLeftToday() {
  return peopleLeft;
}

/** Why something failed, in whole sentences: for where no title stands above them. */
export function reasonOf(error) {
  return error.kind === "offline" ? `${error.title}. ${error.message}` : error.message;
}

/** The case that this tab works on at a service without keys, or "". Where somebody signed in, the session says it. */
export function currentCase() {
  return kept(CASE) ?? "";
}

/** Work on a case from now on; "" for none. The audit log then knows what for. */
export function workOn(id) {
  keep(CASE, id);
}

/** What the gallery holds: items, cameras, times, encoder. */
export const fetchGallery = () => get("v1/gallery");
/** Who is asking, and for which case they signed in. */
export const fetchSession = () => get("v1/session");
/** Work on another case: `case` and `purpose`. */
export const changeSession = (body) => request("v1/session", { method: "PUT", ...json(body) });
/** How many people were seen when: `edges` and `counts`, of some cameras or of all. */
export const fetchTimeline = (cameras, steps) => get(`v1/gallery/timeline?${new URLSearchParams([["steps", steps], ...cameras.map((camera) => ["camera", camera])])}`);
/** Ranked hits for a SearchRequest; `signal` gives the search up. */
export const search = (body, signal) => post("v1/search", body, signal);
/** What stands beside a row: kind is track, time or similar. */
export const fetchNeighbours = (id, kind, signal) => get(`v1/items/${id}/neighbours?kind=${kind}&limit=24`, signal);
/** Which regions of a row's picture answer which phrases of a text. */
export const fetchEvidence = (id, text, signal) => post(`v1/items/${id}/evidence`, { text }, signal);
/** The hits of a SearchRequest as a file: format is csv or contact-sheet. */
export const exportSearch = (body, format, rows) => file("v1/search/export", { search: body, format, rows });

/** The open cases. */
export const fetchCases = () => get("v1/cases");
/** A case and its file; without `people` nobody in it counts as shown. */
export const fetchCase = (id, people = true) => get(`v1/cases/${encodeURIComponent(id)}?people=${people}`);
/** Open a case. */
export const openCase = (body) => post("v1/cases", body);
/** Close a case. */
export const closeCase = (id) => request(`v1/cases/${encodeURIComponent(id)}`, { method: "DELETE" });
/** Write into the file of a case; the answer is the file, as with fetchCase. */
export const addEntry = (id, entry, people = true) => post(`v1/cases/${encodeURIComponent(id)}/entries?people=${people}`, entry);
/** The file of a case, to be printed. */
export const fetchReport = (id) => file(`v1/cases/${encodeURIComponent(id)}/report`);

/** Index jobs that run or ran lately. */
export const fetchJobs = () => get("v1/gallery/jobs");
/** Files that could not be used. */
export const fetchRejected = () => get("v1/gallery/rejected");
/** Add crops: each is stored, known or rejected. */
export const upload = (items) => post("v1/items", { items });
/** Sign out. */
export const signOut = () => request("v1/session", { method: "DELETE" });

function get(path, signal) {
  return request(path, { signal });
}

function post(path, body, signal) {
  return request(path, { method: "POST", ...json(body), signal });
}

function json(body) {
  return { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

async function file(path, body = null) {
  const { response, blob } = await exchange(path, body === null ? {} : { method: "POST", ...json(body) });
  if (!response.ok) throw refusal(response, parsed(await blob.text()));
  return blob; // byte for byte: spreadsheets look for the mark at its beginning
}

async function request(path, options) {
  const { response, blob } = await exchange(path, options);
  const answer = parsed(await blob.text());
  if (!response.ok) throw refusal(response, answer);
  if (response.status === 204) return null;
  if (answer === null) throw new Problem("refused", "The answer could not be read", "The service sent something other than JSON.");
  return answer;
}

async function exchange(path, options) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, patience]) : patience;
  const worked = currentCase();
  const headers = { ...(/^[\x21-\x7e]+$/.test(worked) ? { "cskt-case": worked } : {}), ...options.headers };
  try {
    const response = await fetch(path, { ...options, headers, signal });
    if (response.headers.has(PEOPLE_LEFT)) peopleLeft = Number(response.headers.get(PEOPLE_LEFT));
    return { response, blob: await response.blob() };
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unreachable(patience.aborted);
  }
}

function unreachable(late) {
  if (late) return new Problem("offline", "The service takes too long", "No answer came within a minute.");
  return new Problem(
    "offline",
    "The service cannot be reached",
    navigator.onLine ? "Check that cskt serve is still running." : "This computer is offline.",
  );
}

function parsed(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

function refusal(response, answer) {
  const { status } = response;
  if (status === 401) {
    askForKey();
    return new Problem("refused", "A key is needed", "Sign in with a key of this service.", { status });
  }
  const detail = typeof answer?.detail === "string" ? answer.detail : `The service answered with status ${status}.`;
  if (answer?.type === CASE_REQUIRED) {
    const why = "This service is used for casework: people are shown only for a case, and for a purpose.";
    return new Problem("refused", "For which case?", why, { worthRetrying: false, status, needsCase: true });
  }
  const seconds = Number(response.headers.get("retry-after")) || 0;
  if (status === 503) return new Problem("refused", "The service is not ready yet", detail, { startsIn: seconds * 1000, status });
  if (status === 429) return new Problem("refused", seconds > 3600 ? "No more people today" : "The service is busy", detail, { status });
  if (status >= 500) return new Problem("refused", "The search failed", detail, { status });
  return new Problem("refused", status === 403 ? "This is not open to you" : "This cannot be searched for", detail, { worthRetrying: false, status });
}
