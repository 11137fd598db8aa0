// The page: one query in, one ranking out. Start reading here; README.md names the other files.

import { addressOf, emptyQuery, MOST_HITS, readAddress, searchBody } from "./address.js";
import { fetchGallery, Problem, search } from "./api.js";
import { Detail } from "./detail.js";
import { element } from "./element.js";
import { Filters } from "./filters.js";
import { listenToKeys } from "./keys.js";
import { emptyGallery, notConvincing, notice, nothingFound, problem } from "./messages.js";
import { Results } from "./results.js";
import { dateSpan } from "./times.js";

const EXAMPLES = [
  "A woman in a red jacket and black trousers",
  "A man in a white t-shirt and blue jeans",
  "A person with a yellow top and a backpack",
  "Somebody in a long grey coat",
];
const PATIENCE_BEFORE_SKELETONS_MS = 150;
const ON_A_TOUCH_SCREEN = matchMedia("(pointer: coarse)");
const part = (id) => document.getElementById(id);

const detail = new Detail((index) => results.focus(index));
const results = new Results(part("grid"), (index) => detail.open(results.hits, index, judgement));
const filters = new Filters(() => ask({ text: query.text }));

let query = readAddress(location);
let gallery = null;
let judgement = null; // of the ranking that is shown
let running = null; // AbortController of the search under way: only the newest may change the page

// ---- asking -------------------------------------------------------------------------------------------------------

/** Ask for something new: read the filters, write the address, search. */
function ask({ text, topK }) {
  const chosen = filters.read();
  if (chosen === null) return;
  query = { ...emptyQuery(), text, ...chosen, ...(topK ? { topK } : {}) };
  const address = addressOf(query);
  if (address !== addressOf(readAddress(location))) history.pushState(null, "", address);
  void answer();
}

/** Search for the present query and show what comes, unless a later search has begun meanwhile. */
async function answer({ focusFrom = null } = {}) {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  detail.dialog.close();
  document.title = query.text ? `${query.text} · cskt` : "cskt · person search";
  document.body.dataset.view = query.text ? "results" : "start";
  if (!query.text) return showStart();
  const skeletons = setTimeout(() => showLoading(), results.hits.length ? PATIENCE_BEFORE_SKELETONS_MS : 0);
  part("grid").setAttribute("aria-busy", "true");
  try {
    const found = await search(searchBody(query), mine.signal);
    if (mine !== running) return;
    showHits(found);
    if (focusFrom !== null) results.focus(focusFrom);
    if (found.gallery.items !== gallery?.items) void loadGallery();
  } catch (error) {
    if (mine !== running) return;
    showProblem(error, () => answer());
    if (error.startsIn) setTimeout(() => mine === running && answer(), error.startsIn);
  } finally {
    clearTimeout(skeletons);
  }
}

// ---- showing ------------------------------------------------------------------------------------------------------

function showStart() {
  results.clear();
  sayOnly("");
  showMessage(gallery?.items === 0 ? emptyGallery() : []);
}

function showLoading() {
  sayOnly("Searching …");
  showMessage([]);
  results.showSkeletons(query.topK);
}

function showHits(found) {
  const { hits } = found;
  const items = found.gallery.items;
  const filtered = Boolean(query.cameras.length || query.seenFrom || query.seenUntil);
  judgement = found.judgement;
  results.show(hits);
  const convinces = judgement.convincing !== false;
  const count = convinces ? `${hits.length} best ${hits.length === 1 ? "match" : "matches"}` : `${hits.length} nearest`;
  if (hits.length) say(count, `${filtered ? "filtered from" : "of"} ${counted(items, "image")}`, found.took_ms.total);
  else say("Nothing found.");
  part("notices").replaceChildren(
    ...(hits.length && !convinces ? [notConvincing(judgement)] : []),
    ...(found.query.truncated ? [truncated(found.query.tokens)] : []),
  );
  part("more").hidden = hits.length < query.topK || query.topK >= MOST_HITS || items <= hits.length;
  if (hits.length) showMessage([]);
  else showMessage(items === 0 ? emptyGallery() : nothingFound(filtered, () => filters.clear()));
}

function truncated(tokens) {
  return notice(`Your description is too long (${tokens} tokens): only its beginning was used. Put what matters most first.`);
}

function showProblem(error, retry) {
  const known = error instanceof Problem ? error : new Problem("refused", "The page made a mistake", String(error));
  results.clear();
  sayOnly("");
  showMessage(problem(known, retry), "is-problem");
}

function showMessage(content, kind = "") {
  const box = part("message");
  box.className = `message ${kind}`;
  box.hidden = content.length === 0;
  box.replaceChildren(...content);
  part("summary").classList.toggle("unseen", content.length > 0); // read out, but the message says it to the eye
}

function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

function sayOnly(status) {
  say(status);
  part("notices").replaceChildren();
  part("more").hidden = true;
}

function say(text, aside = "", milliseconds = null) {
  const took = milliseconds === null ? null : element("span", { className: "took" }, ` · ${Math.round(milliseconds)} ms`);
  part("status").replaceChildren(text, ...(aside ? [element("span", { className: "aside" }, ` · ${aside}`, took)] : []));
}

// ---- the gallery --------------------------------------------------------------------------------------------------

async function loadGallery() {
  try {
    gallery = await fetchGallery();
  } catch (error) {
    if (!query.text) showProblem(error, startAgain);
    if (error.startsIn) setTimeout(startAgain, error.startsIn);
    return;
  }
  const { items, cameras, first_seen: first, last_seen: last } = gallery;
  const places = Object.keys(cameras).length;
  const known = [
    counted(items, "image"),
    places ? counted(places, "camera") : null,
    first && last ? dateSpan(first, last) : null,
  ];
  part("gallery-facts").textContent = items ? known.filter(Boolean).join(" · ") : "";
  part("examples").hidden = items === 0;
  part("caveat").hidden = !gallery.encoder_note;
  for (const id of ["encoder-note", "encoder-note-start"]) part(id).textContent = gallery.encoder_note ?? "";
  filters.offer(gallery);
  if (!query.text) showStart();
}

function startAgain() {
  showMessage([]);
  void loadGallery();
  void answer();
}

// ---- the beginning ------------------------------------------------------------------------------------------------

function showQuery() {
  part("text").value = query.text;
  part("clear").hidden = !query.text;
  filters.show(query);
}

function begin() {
  part("examples").replaceChildren(
    ...EXAMPLES.map((text) => {
      const chip = element("button", { type: "button", className: "chip" }, text);
      chip.addEventListener("click", () => {
        part("text").value = text;
        part("clear").hidden = false;
        if (!ON_A_TOUCH_SCREEN.matches) part("text").focus();
        ask({ text });
      });
      return element("li", {}, chip);
    }),
  );
  part("search").addEventListener("submit", (event) => {
    event.preventDefault();
    filters.close();
    if (ON_A_TOUCH_SCREEN.matches) part("text").blur(); // its keyboard would hide the hits
    ask({ text: part("text").value.trim() });
  });
  part("text").addEventListener("input", () => (part("clear").hidden = !part("text").value));
  part("clear").addEventListener("click", () => {
    part("text").value = "";
    part("clear").hidden = true;
    part("text").focus();
  });
  part("more").addEventListener("click", () => {
    const from = results.hits.length;
    query = { ...query, topK: Math.min(MOST_HITS, query.topK * 2) };
    history.replaceState(null, "", addressOf(query));
    void answer({ focusFrom: from });
  });
  addEventListener("popstate", () => {
    const asked = readAddress(location);
    if (addressOf(asked) === addressOf(query)) return; // only the fragment changed
    query = asked;
    showQuery();
    void answer();
  });
  addEventListener("online", () => part("retry")?.click());
  listenToKeys(results);
  showQuery();
  if (!query.text && !ON_A_TOUCH_SCREEN.matches) part("text").focus();
  void loadGallery();
  void answer();
}

begin();
