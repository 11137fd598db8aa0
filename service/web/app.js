// The page as a whole: its views (search, cases, gallery), what they share, and how it begins. README.md names the files.

import { addressOf, asksForSomebody, emptyQuery, readAddress } from "./address.js";
import { fetchGallery, reasonOf, signOut } from "./api.js";
import { CasesView } from "./cases.js";
import { CaseChoice } from "./choose.js";
import { Detail } from "./detail.js";
import { Filters } from "./filters.js";
import { GalleryView } from "./gallery.js";
import { showFacts, showHead } from "./head.js";
import { listenToKeys } from "./keys.js";
import { listenToPictures } from "./offered.js";
import { Results } from "./results.js";
import { Search, showMessage } from "./search.js";
import { beginAnew, listenToSigningIn, wasUsed } from "./signin.js";
import { hush, tell } from "./toast.js";
import { listenToWords, ON_A_TOUCH_SCREEN } from "./words.js";
import { Work } from "./work.js";

const VIEWS = ["cases", "gallery"];
const CHECK_MS = 5000; // how long somebody may stay on a screen whose session is over or whose case was closed
const TO_THE_CASES = ["Go to the cases", () => toTheCases()];
const part = (id) => document.getElementById(id);

let gallery = null;
let left = null; // the search as it was when another view was opened
let asked = { query: "", asked: "words" }; // what the hits that are shown were asked for by
let known = Promise.resolve(); // once it is known who asks

const work = new Work({ changed: (another) => showCase(another), taken: (file) => showTaken(file), lost: (sentence) => loseCase(sentence) });
const choice = new CaseChoice({ work, chosen: () => showView() });
const detail = new Detail({
  closed: (index) => (part("results").hidden ? part("cases-view").focus() : results.focus(index)),
  like: (id) => detail.leave(() => search.mark(id, true)),
  not: (id) => (asksForSomebody(search.query) ? detail.leave(() => markNot(id)) : markNot(id)),
  pin: (id, words) => void pin(id, words),
  decide: (id, words, verdict) => work.decide(id, words, verdict),
  hits: () => results.hits,
  more: () => search.more(),
  hasMore: () => unasked() && search.next !== null,
  working: () => Boolean(work.case),
  unasked,
  known: (id, words) => ({ pinned: work.pinned.has(id), verdict: work.verdict(id, words) }),
});
const results = new Results(part("grid"), {
  open: (index) => detail.open(index, search.judgement, asked),
  like: (id) => search.mark(id, true),
  not: (id) => markNot(id),
  pin: (id) => void pin(id, asked),
});
const filters = new Filters(() => search.ask({}));
const search = new Search({
  results,
  filters,
  detail,
  gallery: () => gallery,
  entered: () => switchTo("search"),
  changed: (items) => items !== gallery?.items && void loadGallery(),
  shown: () => {
    asked = asking();
    results.markPinned(work.pinned);
  },
  pins: () => results.markPinned(work.pinned),
  unasked,
  cameras: () => work.session?.cameras ?? null,
});
const cases = new CasesView({ work, known: () => known, workOn: (id) => void workOn(id), show: (item, words) => detail.openItem(item, words) });
const galleryView = new GalleryView({ session: () => work.session, known: () => known, added: () => void loadGallery() });

/** Whether people may come by themselves: in casework each further one is asked for. */
function unasked() {
  return work.session?.profile === "open";
}

function markNot(id) {
  if (!search.mark(id, false)) tell("Search for somebody first: then it can be said who it is not.");
}

/** What is searched for, as the file of a case takes it down: words, and whether there was more to it. */
function asking() {
  return { query: search.query.text, asked: search.asksBeyondWords() ? "words and more" : "words" };
}

// ---- the case that is worked on -----------------------------------------------------------------------------------

async function workOn(id) {
  if (work.inCasework) return choice.open(id);
  try {
    await work.on(id);
    showView();
  } catch (error) {
    tell(reasonOf(error));
  }
}

async function leaveCase() {
  try {
    await work.on("");
  } catch (error) {
    return tell(reasonOf(error));
  }
  if (!work.inCasework) return showView();
  clearScreen();
  tell("You work on no case now, and so nobody is shown.", ["Choose a case", () => void choice.open()]);
}

/** The head of the page names the case. What was searched for in another one is not asked for again in this. */
function showCase(another) {
  showHead(work);
  results.markPinned(work.pinned);
  if (another) forgetSearch();
}

function forgetSearch() {
  left = null;
  search.query = emptyQuery();
  results.clear();
  if (!part("results").hidden) goTo("./");
}

/** Nobody stays on the screen. */
function clearScreen() {
  detail.dialog.close();
  forgetSearch();
  if (!part("cases-view").hidden) goTo("?view=cases");
}

/** The case is closed, or was left in another tab. */
function loseCase(sentence) {
  if (work.inCasework) clearScreen();
  tell(sentence, TO_THE_CASES);
}

function showTaken(file) {
  results.markPinned(work.pinned);
  detail.mark();
  cases.taken(file);
}

async function pin(id, words) {
  if (!work.case) return tell("Choose a case first: people are pinned to a case.", TO_THE_CASES);
  tell(await work.pin(id, words));
}

function toTheCases() {
  if (detail.dialog.open) detail.leave(() => goTo("?view=cases"));
  else goTo("?view=cases");
}

// ---- views --------------------------------------------------------------------------------------------------------

/** Show one of the views, as it is. */
function switchTo(view) {
  part("results").hidden = view !== "search";
  part("cases-view").hidden = view !== "cases";
  part("gallery-view").hidden = view !== "gallery";
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  galleryView.stop();
  hush();
}

/** Show what the address asks for. */
function showView() {
  const asked = new URLSearchParams(location.search).get("view");
  const view = VIEWS.includes(asked) ? asked : "search";
  detail.dialog.close();
  if (view !== "search" && !part("results").hidden) left = { ...search.state(), items: gallery?.items, top: scrollY };
  switchTo(view);
  if (view === "search") return backToSearch();
  search.stop();
  document.body.dataset.view = view;
  document.title = `${view === "cases" ? "Cases" : "Gallery"} · cskt`;
  if (view === "cases") void cases.show(new URLSearchParams(location.search).get("case") ?? "");
  else void galleryView.show();
}

/** The search as it was left, with what was typed and where one was, unless the address or the gallery says otherwise. */
function backToSearch() {
  const before = left;
  left = null;
  const query = readAddress(location);
  if (!before?.settled || before.address !== addressOf(query) || before.items !== gallery?.items) return search.follow(query);
  document.body.dataset.view = before.view;
  document.title = before.title;
  scrollTo(0, before.top);
}

function go(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const link = event.currentTarget;
  goTo(link.dataset.nav === "search" ? addressOf(search.query) : link.getAttribute("href"));
}

function goTo(address) {
  history.pushState(null, "", address);
  showView();
}

// ---- the gallery and who asks -------------------------------------------------------------------------------------

async function loadGallery() {
  try {
    gallery = await fetchGallery();
  } catch (error) {
    if (document.body.dataset.view === "start") search.showProblem(error, startAgain);
    if (error.startsIn) setTimeout(startAgain, error.startsIn);
    return;
  }
  showFacts(gallery);
  filters.offer(gallery);
  if (document.body.dataset.view === "start") search.showStart();
}

/** False where the page begins anew: what this tab holds is somebody else's. */
async function loadSession(tries = 5) {
  try {
    if (!(await work.look())) return false;
  } catch (error) {
    if (error.status === 401 || tries === 1) return true; // once there is a key, it is asked again
    await new Promise((go) => setTimeout(go, error.startsIn ?? 1000));
    return loadSession(tries - 1);
  }
  void work.read.then(() => work.inCasework && work.searches && !work.case && choice.open());
  return true;
}

/** Nobody is signed in (any more): nobody stays on the screen. */
function lock() {
  for (const open of document.querySelectorAll("dialog[open]")) open.close();
  search.stop();
  results.clear();
  cases.clear();
  left = null;
  work.session = null; // who signs in again goes on with what was asked for, once a case is chosen
  document.body.classList.add("locked");
}

/** Somebody signed in. Who was here before goes on where he was. */
async function unlock() {
  known = loadSession();
  if (!(await known)) return;
  document.body.classList.remove("locked");
  void loadGallery();
  if (part("results").hidden) showView();
  else void search.answer();
}

/** Look whether somebody may still stay on this screen. */
async function watch() {
  if (document.hidden || part("signin").open || !work.session) return;
  if (work.session.needs_key && !(await work.look())) return;
  if (work.inCasework && work.case) await work.check();
}

async function leaveSession() {
  try {
    await signOut();
  } catch (error) {
    if (error.status !== 401) return tell(reasonOf(error));
  }
  beginAnew();
}

function startAgain() {
  void loadGallery();
  if (part("results").hidden) return;
  showMessage([]);
  void search.answer();
}

function begin() {
  for (const link of document.querySelectorAll("[data-nav]")) link.addEventListener("click", go);
  part("case-leave").addEventListener("click", () => void leaveCase());
  part("sign-out").addEventListener("click", () => void leaveSession());
  addEventListener("popstate", () => detail.popped() || showView());
  addEventListener("pageshow", (event) => event.persisted && location.reload()); // kept from before somebody signed out
  document.addEventListener("visibilitychange", () => void watch().catch(() => {}));
  setInterval(() => void watch().catch(() => {}), CHECK_MS);
  addEventListener("online", () => document.querySelector("main:not([hidden]) #retry")?.click());
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.querySelector("main:not([hidden])").focus();
  });
  listenToWords(search, filters);
  listenToPictures({ ask: (picture) => search.ask({ picture }), add: (files) => galleryView.adding.hold(files) });
  listenToKeys(results, { like: (id) => search.mark(id, true), not: (id) => markNot(id), pin: (id) => void pin(id, asked) });
  search.query = { ...emptyQuery(), ...readAddress(location) };
  if (!search.query.text && !ON_A_TOUCH_SCREEN.matches) part("text").focus();
  listenToSigningIn({ locked: lock, entered: () => void unlock() });
  void loadGallery();
  known = loadSession();
  if (wasUsed()) void known.then((goesOn) => goesOn && showView()); // nothing is asked for again in another's name
  else showView();
}

begin();
