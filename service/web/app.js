// The page as a whole: its views (search, cases, gallery), what they share, and how it begins. README.md names the files.

import { emptyQuery, addressOf, readAddress } from "./address.js";
import { addEntry, currentCase, fetchGallery, fetchSession, signOut, workOn } from "./api.js";
import { CasesView } from "./cases.js";
import { fillDescribe } from "./describe.js";
import { Detail } from "./detail.js";
import { element } from "./element.js";
import { Filters } from "./filters.js";
import { GalleryView } from "./gallery.js";
import { listenToKeys } from "./keys.js";
import { takePicture } from "./pictures.js";
import { Results } from "./results.js";
import { counted, Search, showMessage } from "./search.js";
import { dateSpan } from "./times.js";

const EXAMPLES = [
  "A woman in a red jacket and black trousers",
  "A man in a white t-shirt and blue jeans",
  "A person with a yellow top and a backpack",
  "Somebody in a long grey coat",
];
const ON_A_TOUCH_SCREEN = matchMedia("(pointer: coarse)");
const VIEWS = ["cases", "gallery"];
const part = (id) => document.getElementById(id);

let gallery = null;
let session = null;
let pinned = new Set(); // ids, in the case that is worked on

const detail = new Detail({
  closed: (index) => results.focus(index),
  like: (id) => search.mark(id, true),
  not: (id) => markNot(id),
  pin: (id) => void pin(id),
  decide: (id, verdict) => decide(id, verdict),
  working: () => Boolean(worked()),
  words: () => search.query.text,
});
const results = new Results(part("grid"), {
  open: (index) => detail.open(results.hits, index, search.judgement),
  like: (id) => search.mark(id, true),
  not: (id) => markNot(id),
  pin: (id) => void pin(id),
});
const filters = new Filters(() => search.ask({}));
const search = new Search({
  results,
  filters,
  detail,
  gallery: () => gallery,
  entered: () => switchTo("search"),
  changed: (items) => items !== gallery?.items && void loadGallery(),
  shown: () => results.markPinned(pinned),
  moreByItself: () => session?.profile === "open", // in casework each further person is asked for
});
const cases = new CasesView({ session: () => session, worked, work, opened: (file) => takePins(file), show: (item) => detail.openItem(item) });
const galleryView = new GalleryView({ session: () => session, added: () => void loadGallery() });

function markNot(id) {
  if (!search.mark(id, false)) tell("Search for somebody first: then it can be said who it is not.");
}

// ---- the case that is worked on -----------------------------------------------------------------------------------

function worked() {
  return currentCase() || session?.case || "";
}

function work(id) {
  workOn(id);
  pinned = new Set();
  showCase();
  if (id) void cases.read(id).catch(() => work(""));
}

function showCase() {
  const id = worked();
  part("case-now").hidden = !id;
  part("case-name").textContent = id;
  document.body.classList.toggle("has-case", Boolean(id));
}

function takePins(file) {
  if (file.id !== worked()) return;
  pinned = new Set(file.pins.map((pin) => pin.id));
  results.markPinned(pinned);
}

async function pin(id) {
  if (!worked()) {
    tell("Choose a case first: people are pinned to a case.");
    return;
  }
  const kind = pinned.has(id) ? "unpin" : "pin";
  try {
    takePins(await addEntry(worked(), { kind, item: id, query: kind === "pin" ? search.query.text : "" }));
    tell(kind === "pin" ? `Number ${id} is pinned to the case ${worked()}.` : `Number ${id} is not pinned any more.`);
  } catch (error) {
    tell(error.message);
  }
}

async function decide(id, verdict) {
  try {
    const file = await addEntry(worked(), { kind: "decision", item: id, query: search.query.text, verdict });
    takePins(file);
    const found = file.findings.find((one) => one.id === id && one.query === search.query.text);
    return found?.state === "one more" ? "Kept. Another person has to look before it counts." : "Kept in the case.";
  } catch (error) {
    return error.message;
  }
}

/** A sentence that goes away by itself; screen readers hear it too, also while a dialog is open. */
function tell(sentence) {
  const toast = part(detail.dialog.open ? "detail-toast" : "toast");
  toast.textContent = sentence;
  setTimeout(() => toast.textContent === sentence && (toast.textContent = ""), 5000);
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
}

/** Show what the address asks for. */
function showView() {
  const asked = new URLSearchParams(location.search).get("view");
  const view = VIEWS.includes(asked) ? asked : "search";
  detail.dialog.close();
  switchTo(view);
  if (view === "search") return search.follow(readAddress(location));
  search.running?.abort();
  document.body.dataset.view = view;
  document.title = `${view === "cases" ? "Cases" : "Gallery"} · cskt`;
  if (view === "cases") void cases.show(new URLSearchParams(location.search).get("case") ?? "");
  else void galleryView.show();
}

function go(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const { nav } = event.currentTarget.dataset;
  history.pushState(null, "", nav === "search" ? addressOf(search.query) : `?view=${nav}`);
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
  const { items, cameras, first_seen: first, last_seen: last } = gallery;
  const places = Object.keys(cameras).length;
  const known = [counted(items, "image"), places ? counted(places, "camera") : null, first && last ? dateSpan(first, last) : null];
  part("gallery-facts").textContent = items ? known.filter(Boolean).join(" · ") : "";
  part("examples").hidden = items === 0;
  part("caveat").hidden = !gallery.encoder_note;
  for (const id of ["encoder-note", "encoder-note-start"]) part(id).textContent = gallery.encoder_note ?? "";
  filters.offer(gallery);
  if (document.body.dataset.view === "start") search.showStart();
}

async function loadSession() {
  try {
    session = await fetchSession();
  } catch {
    return; // signing in begins the page anew
  }
  part("sign-out").hidden = !session.needs_key;
  work(worked());
}

function startAgain() {
  showMessage([]);
  void loadGallery();
  void search.answer();
}

// ---- the beginning ------------------------------------------------------------------------------------------------

async function usePicture(file) {
  try {
    search.ask({ picture: await takePicture(file) });
  } catch (error) {
    tell(error.message);
  }
}

function listenToPictures() {
  part("picture-button").addEventListener("click", () => part("picture-file").click());
  part("picture-file").addEventListener("change", () => {
    const [file] = part("picture-file").files;
    part("picture-file").value = "";
    if (file) void usePicture(file);
  });
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    if (file && !document.querySelector("dialog[open]") && part("gallery-view").hidden) {
      event.preventDefault();
      void usePicture(file);
    }
  });
  part("search").addEventListener("dragover", (event) => event.preventDefault());
  part("search").addEventListener("drop", (event) => {
    const [file] = event.dataTransfer.files;
    if (!file) return;
    event.preventDefault();
    void usePicture(file);
  });
}

function listenToWords() {
  const typed = (text) => {
    part("text").value = text;
    part("clear").hidden = !text;
  };
  part("examples").replaceChildren(
    ...EXAMPLES.map((text) => {
      const chip = element("button", { type: "button", className: "chip" }, text);
      chip.addEventListener("click", () => {
        if (!ON_A_TOUCH_SCREEN.matches) part("text").focus();
        search.ask({ text });
      });
      return element("li", {}, chip);
    }),
  );
  part("describe-clear").addEventListener("click", fillAgain(fillDescribe(part("describe"), typed), typed));
  part("search").addEventListener("submit", (event) => {
    event.preventDefault();
    filters.close();
    if (ON_A_TOUCH_SCREEN.matches) part("text").blur(); // its keyboard would hide the hits
    const text = part("text").value.trim();
    search.ask(text === search.query.text ? {} : { text, like: [], not: [] });
  });
  part("text").addEventListener("input", () => (part("clear").hidden = !part("text").value));
  part("clear").addEventListener("click", () => {
    typed("");
    part("text").focus();
  });
}

function fillAgain(reset, typed) {
  return () => {
    reset();
    typed("");
  };
}

function begin() {
  for (const link of document.querySelectorAll("[data-nav]")) link.addEventListener("click", go);
  part("case-leave").addEventListener("click", () => work(""));
  part("sign-out").addEventListener("click", () => void signOut().finally(() => location.reload()));
  addEventListener("popstate", () => showView());
  addEventListener("online", () => part("retry")?.click());
  listenToWords();
  listenToPictures();
  listenToKeys(results, { like: (id) => search.mark(id, true), not: (id) => markNot(id), pin: (id) => void pin(id) });
  search.query = { ...emptyQuery(), ...readAddress(location) };
  if (!search.query.text && !ON_A_TOUCH_SCREEN.matches) part("text").focus();
  void loadGallery();
  void loadSession();
  showView();
}

begin();
