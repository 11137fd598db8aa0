// One query in, one ranking out: asks, shows what comes, shows more of it. Only the newest search may change the page.

import { addressOf, asksForSomebody, countParts, emptyQuery, FIRST_HITS, isFiltered, MORE_HITS, MOST_PARTS, readAddress, searchBody, unreadIn } from "./address.js";
import { exportSearch, peopleLeftToday, Problem, reasonOf, search } from "./api.js";
import { showChips } from "./chips.js";
import { element } from "./element.js";
import { emptyGallery, lostPicture, noneOpen, notConvincing, notice, nothingFound, problem, unanswered } from "./messages.js";
import { pictureBase64, pictureUrl } from "./pictures.js";
import { tell } from "./toast.js";

const PATIENCE_BEFORE_SKELETONS_MS = 150;
const SLOW_MS = 4000;
const DEEPEST = 10_000; // further down the service does not rank
const MOST_EXPORTED = { csv: DEEPEST, "contact-sheet": 200 };
const TOO_MANY_PARTS = `A search takes ${MOST_PARTS} parts at most (words, a picture, people marked). Take one off before you add another.`;
const TOO_LONG = "Your description has too many words: only its beginning was used. Put what matters most first.";
const ONLY_ORDERED = "With pictures or people marked, similarity only orders the hits: how likely one is cannot be said. A picture should show one person, cut out.";
const WITHOUT_PICTURE = "This tab does not have the picture that was searched with: these hits are without it.";
const notRead = (said) => `The address also asks for ${said.join(", ")}: that is not understood, and the search is without it.`;
const part = (id) => document.getElementById(id);

export class Search {
  /**
   * @param {{results: import("./results.js").Results, filters: import("./filters.js").Filters,
   *   detail: import("./detail.js").Detail, gallery: () => object | null, entered: () => void, changed: (items: number) => void,
   *   shown: () => void, pins: () => void, unasked: () => boolean, cameras: () => string[] | null}} page
   */
  constructor(page) {
    this.page = page;
    this.query = emptyQuery();
    this.judgement = null; // of the ranking that is shown
    this.next = null; // offset of what can be shown further
    this.running = null; // AbortController of the search under way
    this.settled = false; // whether what is shown is what was asked for
    part("more").addEventListener("click", () => void this.more());
    for (const button of document.querySelectorAll("[data-export]")) button.addEventListener("click", () => void this.take(button));
    this.nearEnd = new IntersectionObserver((seen) => seen.at(-1).isIntersecting && page.unasked() && void this.more(), { rootMargin: "300px" });
    part("more").addEventListener("focus", () => this.nearEnd.disconnect()); // who tabs to the button presses it, or goes on
  }

  /** What is shown, to come back to it. */
  state() {
    return { settled: this.settled, address: addressOf(this.query), view: document.body.dataset.view, title: document.title };
  }

  /** Ask for something new: a change of the query and what the filters say; write the address; search. */
  ask(change) {
    const chosen = this.page.filters.read();
    if (chosen === null) return;
    const typed = part("text").value.trim();
    const another = typed && typed !== this.query.text ? { like: [], not: [] } : {}; // other words: another person
    const query = { ...this.query, text: typed, ...another, ...chosen, ...change };
    if (countParts(query) > Math.max(MOST_PARTS, countParts(this.query) - 1)) return tell(TOO_MANY_PARTS);
    this.query = query;
    this.page.entered();
    scrollTo(0, 0); // where the best will be
    const address = addressOf(this.query);
    if (address !== addressOf(readAddress(location)) || new URLSearchParams(location.search).has("view")) history.pushState(null, "", address);
    this.showQuery();
    void this.answer();
  }

  /** Whether there is more to the question than words: a picture that is here, people marked. */
  asksBeyondWords() {
    const { picture, like, not } = this.query;
    return Boolean(pictureUrl(picture) || like.length || not.length);
  }

  /** More like a row, or not like it; false where there is nobody to be searched for. */
  mark(id, liked) {
    const without = (ids) => ids.filter((other) => other !== id);
    const { like, not } = this.query;
    const change = liked ? { like: [...without(like), id], not: without(not) } : { like: without(like), not: [...without(not), id] };
    if (!asksForSomebody({ ...this.query, ...change })) return false;
    this.ask(change);
    return true;
  }

  /** Search for what an address asks for. */
  follow(query) {
    this.query = query;
    this.showQuery();
    void this.answer();
  }

  /** Search for the present query and show what comes, unless a later search has begun meanwhile. */
  async answer() {
    this.running?.abort();
    const mine = new AbortController();
    this.running = mine;
    this.settled = false;
    this.next = null;
    this.nearEnd.disconnect();
    const { results, detail } = this.page;
    const focused = results.grid.contains(document.activeElement);
    detail.dialog.close();
    const asks = asksForSomebody(this.query);
    document.title = asks ? `${this.query.text || "A person like this"} · cskt` : "cskt · person search";
    document.body.dataset.view = asks ? "results" : "start";
    if (!asks) {
      this.settled = true;
      return this.showStart();
    }
    const image = pictureBase64(this.query.picture);
    if (this.query.picture && !image && !this.query.text && !this.query.like.length) return this.showOnly(lostPicture());
    const before = results.hits;
    const waits = [setTimeout(() => this.showLoading(), results.hits.length ? PATIENCE_BEFORE_SKELETONS_MS : 0)];
    waits.push(setTimeout(() => say("Still searching: the service is slow just now …"), SLOW_MS));
    part("grid").setAttribute("aria-busy", "true");
    try {
      const found = await search(searchBody(this.query, image, this.step(FIRST_HITS)), mine.signal);
      if (mine !== this.running) return;
      this.showHits(found);
      this.settled = true;
      if (focused) results.focus(0); // who marks hits by keyboard stays among them
    } catch (error) {
      if (mine !== this.running) return;
      if (error.kind === "offline" && before.length) this.keep(before, error);
      else this.showProblem(error, () => this.answer());
      if (error.startsIn) setTimeout(() => mine === this.running && this.answer(), error.startsIn);
    } finally {
      waits.forEach(clearTimeout);
    }
  }

  /** Wait for nothing any more: another view is shown. */
  stop() {
    this.running?.abort();
    this.running = null;
  }

  /** Show further hits behind those that are there. */
  async more() {
    const { results } = this.page;
    const mine = (this.running ??= new AbortController());
    if (this.next === null || part("more").getAttribute("aria-busy") === "true") return;
    part("more").setAttribute("aria-busy", "true");
    const focused = document.activeElement === part("more") ? results.hits.length : null;
    try {
      const image = pictureBase64(this.query.picture);
      const found = await search(searchBody(this.query, image, this.step(MORE_HITS), this.next), mine.signal);
      if (mine !== this.running) return;
      const known = new Set(results.hits.map((hit) => hit.id)); // the gallery may have grown in between
      results.append(found.hits.filter((hit) => !known.has(hit.id)));
      this.tell(found);
      if (focused !== null) results.focus(focused);
      this.watchEnd();
    } catch (error) {
      if (mine !== this.running) return;
      this.nearEnd.disconnect(); // whoever wants them presses the button
      tell(`No more could be shown: ${reasonOf(error)}`);
    } finally {
      part("more").removeAttribute("aria-busy");
    }
  }

  /** How many to ask for at once: in casework each is on record, and counts. */
  step(hits) {
    return this.page.unasked() ? hits : FIRST_HITS;
  }

  /** Show more by itself when the end comes near, also if it is near already. */
  watchEnd() {
    this.nearEnd.disconnect();
    if (this.next !== null) this.nearEnd.observe(part("more-place"));
  }

  /** Hand out the ranking as a file. */
  async take(button) {
    const image = pictureBase64(this.query.picture);
    const kind = button.dataset.export;
    const shown = this.page.results.hits.length;
    const held = Math.min(MOST_EXPORTED[kind], shown);
    try {
      save(await exportSearch(searchBody(this.query, image, FIRST_HITS), kind, Math.max(1, held)), kind === "csv" ? "hits.csv" : "contact-sheet.html");
      tell(held < shown ? `The file holds the first ${held} of the ${shown} that are shown: a contact sheet holds no more, a table does.` : `The file holds ${held === 1 ? "the one" : `all ${held}`} shown.`);
    } catch (error) {
      part("notices").append(notice(`Nothing was taken along: ${reasonOf(error)}`));
    }
  }

  // ---- showing ----------------------------------------------------------------------------------------------------

  showQuery() {
    part("text").value = this.query.text;
    part("clear").hidden = !this.query.text;
    this.page.filters.show(this.query);
    showChips(part("chips"), this.query, (change) => this.ask(change));
  }

  showStart() {
    this.page.results.clear();
    sayOnly("");
    part("notices").replaceChildren(...this.unread());
    showMessage(this.page.gallery()?.items === 0 ? this.nobody() : []);
  }

  /** What the address says in vain. */
  unread() {
    const said = unreadIn(location);
    return said.length ? [notice(notRead(said))] : [];
  }

  /** There is no image: none at all, or none that may be seen. */
  nobody() {
    const cameras = this.page.cameras();
    return cameras ? noneOpen(cameras) : emptyGallery();
  }

  showLoading() {
    sayOnly("Searching …");
    showMessage([]);
    this.page.results.showSkeletons(FIRST_HITS);
  }

  showHits(found) {
    const { hits } = found;
    const items = found.gallery.items;
    const filtered = isFiltered(this.query);
    this.judgement = found.judgement;
    this.page.results.show(hits);
    this.tell(found);
    if (!hits.length) say("Nothing found.");
    part("notices").replaceChildren(
      ...(hits.length && found.judgement.convincing === false ? [notConvincing(found.judgement, filtered, this.query.text.split(/\s+/).length)] : []),
      ...this.unread(),
      ...found.notes.map((note) => notice(note)),
      ...(found.query.texts.some((text) => text.truncated) ? [notice(TOO_LONG)] : []),
      ...(this.query.picture && !pictureUrl(this.query.picture) ? [notice(WITHOUT_PICTURE)] : []),
      ...(hits.length && found.judgement.convincing === null && this.asksBeyondWords() ? [notice(ONLY_ORDERED)] : []),
    );
    if (hits.length) showMessage([]);
    else showMessage(items === 0 ? this.nobody() : nothingFound(filtered, this.page.cameras(), () => this.page.filters.clear()));
    this.watchEnd();
    this.page.changed(items);
  }

  /** Say how many are shown, and whether there are more. */
  tell(found) {
    const count = this.page.results.hits.length;
    const left = peopleLeftToday();
    this.next = found.hits.length ? found.next_offset : null;
    part("more").hidden = this.next === null;
    part("people-left").textContent = left < Infinity ? `Your key may be shown ${counted(left, "further person", "further people")} today.` : "";
    part("take").hidden = count === 0;
    const few = left < FIRST_HITS ? ` · ${counted(left, "new person", "new people")} left for your key today` : "";
    const [text, aside] = this.words(count, found.gallery);
    say(text, aside + few, found.took_ms.total);
    this.page.shown();
  }

  /** What so many of so many images are, and what narrows it. Only a ranking that convinces is one of matches. */
  words(count, { items, passing }) {
    const images = counted(items, "image");
    const all = this.next === null && count < DEEPEST;
    const whole = `${all ? "All" : "The first"} ${count.toLocaleString("en")}`;
    const filtered = isFiltered(this.query);
    const left = `${passing.toLocaleString("en")} that ${passing === 1 ? "passes" : "pass"} the filters`;
    const aside = filtered ? `of ${left}, from ${images}` : `of ${images}`;
    if (this.query.byTrack) return [`${whole} ${noun(count, "passage")}`, aside];
    if (this.judgement.convincing) return [`${whole} ${noun(count, "match", "matches")}`, aside];
    if (filtered) return [!all ? `${whole} of ${left}` : passing === 1 ? "The only one that passes the filters" : `All ${left}`, `from ${images}, nearest first`];
    return [all ? `All ${images}` : `${whole} of ${images}`, "nearest first"];
  }

  /** Nobody answered: the hits that were there stay, and above them it is said that they are not the new ones. */
  keep(hits, error) {
    sayOnly("The hits of the search before");
    showMessage([]);
    this.page.results.show(hits);
    this.page.pins();
    part("notices").append(unanswered(error, () => this.answer()));
  }

  showProblem(error, retry) {
    const known = error instanceof Problem ? error : new Problem("refused", "The page made a mistake", String(error));
    this.showOnly(problem(known, retry), "is-problem");
  }

  showOnly(content, kind = "") {
    this.page.results.clear();
    sayOnly("");
    showMessage(content, kind);
  }
}

/** "1,234 images". */
export function counted(count, one, several) {
  return `${count.toLocaleString("en")} ${noun(count, one, several)}`;
}

function noun(count, one, several = `${one}s`) {
  return count === 1 ? one : several;
}

/** Let the browser save a file. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const anchor = element("a", { href: url, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Show a message in place of hits, or none. */
export function showMessage(content, kind = "") {
  const box = part("message");
  box.className = `message ${kind}`;
  box.hidden = content.length === 0;
  box.replaceChildren(...content);
  part("summary").classList.toggle("unseen", content.length > 0); // read out, but the message says it to the eye
}

function sayOnly(status) {
  say(status);
  part("notices").replaceChildren();
  part("more").hidden = true;
  part("people-left").textContent = "";
  part("take").hidden = true;
}

function say(text, aside = "", milliseconds = null) {
  const took = milliseconds === null ? null : element("span", { className: "took" }, ` · ${Math.round(milliseconds)} ms`);
  part("status").replaceChildren(text, ...(aside ? [element("span", { className: "aside" }, ` · ${aside}`, took)] : []));
}
