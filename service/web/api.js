// The service's answers, and its refusals as one kind of error: Problem. Addresses are relative, so the page also
// works below a path prefix.

import { askForKey } from "./signin.js";

const PATIENCE_MS = 60_000;

/** Why an answer did not come. `kind` is "offline" (nobody answered) or "refused" (the service said why). */
export class Problem extends Error {
  constructor(kind, title, detail, { worthRetrying = true, startsIn = 0 } = {}) {
    super(detail);
    this.kind = kind;
    this.title = title;
    this.worthRetrying = worthRetrying;
    this.startsIn = startsIn; // ms after which the page should ask again by itself; 0: it should not
  }
}

/** What the gallery holds: items, cameras, times, encoder. */
export function fetchGallery() {
  return request("v1/gallery", {});
}

/** Ranked hits for a SearchRequest; `signal` gives the search up. */
export function search(body, signal) {
  return request("v1/search", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
}

async function request(path, options) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, patience]) : patience;
  let response;
  let text;
  try {
    response = await fetch(path, { ...options, signal });
    text = await response.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unreachable(patience.aborted);
  }
  const answer = parsed(text);
  if (!response.ok) throw refusal(response, answer);
  if (answer === null) throw new Problem("refused", "The answer could not be read", "The service sent something other than JSON.");
  return answer;
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
    return new Problem("refused", "A key is needed", "Sign in with a key of this service.");
  }
  const detail = typeof answer?.detail === "string" ? answer.detail : `The service answered with status ${status}.`;
  const seconds = Number(response.headers.get("retry-after")) || 0;
  if (status === 503) return new Problem("refused", "The service is not ready yet", detail, { startsIn: seconds * 1000 });
  if (status === 429) return new Problem("refused", "The service is busy", detail);
  if (status >= 500) return new Problem("refused", "The search failed", detail);
  return new Problem("refused", "This cannot be searched for", detail, { worthRetrying: false });
}
