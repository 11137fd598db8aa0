// One person, large: every fact the gallery has, what stands beside it, what can be done. Previous and next walk the ranking.

import { element, icon } from "./element.js";
import { offerEvidence } from "./evidence.js";
import { inWords } from "./facts.js";
import { lettersWork } from "./keys.js";
import { chanceText, picture, scoreBar, scoreText } from "./results.js";
import { showStrips } from "./strips.js";
import { longTime } from "./times.js";

const VERDICTS = [
  ["same", "Same person"],
  ["not", "Not the person"],
  ["unsure", "Unsure"],
];
const WITHOUT_WORDS = "A decision is kept under the words that were searched by: add words to the search to decide who this is.";
const part = (id) => document.getElementById(id);

/** @typedef {{query: string, asked: "words" | "words and more"}} Asked what somebody was found by, as case files say it */

export class Detail {
  /**
   * @param {{closed: (index: number) => void, like: (id: number) => void, not: (id: number) => void,
   *   pin: (id: number, asked: Asked) => void, decide: (id: number, asked: Asked, verdict: string) => Promise<string>,
   *   hits: () => object[], more: () => Promise<void>, hasMore: () => boolean, working: () => boolean, known: (id: number, asked: Asked) => {pinned: boolean, verdict: string | null}}} actions
   */
  constructor(actions) {
    this.actions = actions;
    this.dialog = part("detail");
    this.walks = false; // whether the one shown is of the ranking
    this.index = 0;
    this.asked = { query: "", asked: "words" };
    this.beside = null; // an item that is shown but is not of the ranking
    this.reading = null; // AbortController of what is fetched for the one shown
    this.pushed = false; // whether the history holds a step for this view
    this.leaving = false; // whether that step is being taken back
    this.then = null; // what is to be done once it is
    this.stray = false; // whether a step is being taken back after closing
    part("detail-previous").addEventListener("click", () => this.step(-1));
    part("detail-next").addEventListener("click", () => this.step(1));
    part("detail-back").addEventListener("click", () => this.show(this.index));
    part("detail-close").addEventListener("click", () => this.leave());
    this.dialog.addEventListener("close", () => this.onClose());
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.leave();
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.leave(); // a click beside the content
    });
    this.dialog.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** What can be walked: the ranking as it is behind this view, which may grow. */
  get hits() {
    return this.walks ? this.actions.hits() : [];
  }

  /** Show one of the hits. */
  open(index, judgement, asked) {
    this.walks = true;
    this.judgement = judgement;
    this.asked = asked;
    this.show(index);
    this.reveal();
  }

  /** Show one that is not of a ranking: pinned in a case, say, and found there by other words than the last search's. */
  openItem(item, asked) {
    this.walks = false;
    this.index = 0;
    this.asked = asked;
    this.showBeside(item);
    this.reveal();
  }

  // ---- a step in the history, so that Back closes this view --------------------------------------------------------

  reveal() {
    if (this.dialog.open) return;
    this.address = location.href;
    history.scrollRestoration = "manual"; // closing puts the focus, and so the page, where the walk ended
    history.pushState({ detail: true }, "");
    this.pushed = true;
    this.dialog.showModal();
  }

  /** Close by taking the step back, then do something. Until that has happened nothing behind can be used. */
  leave(then = null) {
    if (!this.pushed || this.leaving) return this.dialog.close();
    this.then = then;
    this.leaving = true;
    history.back();
  }

  /** Whether a step back was one out of this view, and no more than that. */
  popped() {
    history.scrollRestoration = "auto";
    if (this.stray) {
      this.stray = false;
      return true;
    }
    if (!this.pushed) return this.takeBack(); // a step forward to somebody who was closed
    const { then } = this;
    const stays = location.href === this.address; // before what comes next changes it
    this.then = null;
    this.dialog.close();
    this.finish();
    then?.();
    return stays;
  }

  finish() {
    this.pushed = false;
    this.leaving = false;
    this.reading?.abort();
    this.actions.closed(this.index);
  }

  /** Closed without a step back, by a new search: the step is taken afterwards, unless the page has gone on. */
  onClose() {
    if (!this.pushed) return;
    this.finish();
    this.takeBack();
  }

  /** Step back where the history stands at this view, which is closed; whether it does. */
  takeBack() {
    this.stray = Boolean(history.state?.detail);
    if (this.stray) history.back();
    return this.stray;
  }

  // ---- walking ------------------------------------------------------------------------------------------------------

  step(by) {
    const index = this.index + by;
    if (index >= 0 && index < this.hits.length) this.show(index);
    else if (index > 0 && this.actions.hasMore()) void this.goOn(index);
  }

  /** Beyond the last hit that is there: those behind it come first. */
  async goOn(index) {
    const { item } = this;
    await this.actions.more();
    if (item === this.item && index < this.hits.length) this.show(index);
  }

  onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, textarea")) return;
    const letters = { k: () => this.step(-1), j: () => this.step(1), "+": () => this.act("like"), "-": () => this.act("not"), p: () => this.act("pin") };
    const action = { ArrowLeft: letters.k, ArrowRight: letters.j, ...(lettersWork() ? letters : {}) }[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation(); // the page behind has keys of the same names
    action();
  }

  act(name) {
    this.actions[name](this.item.id, this.asked);
  }

  show(index) {
    const hit = this.hits[index];
    this.index = index;
    this.beside = null;
    this.fill(hit, `Hit ${index + 1} of ${this.hits.length} shown`, [score(hit, this.judgement)]);
    part("detail-previous").setAttribute("aria-disabled", String(index === 0));
    part("detail-next").setAttribute("aria-disabled", String(index === this.hits.length - 1 && !this.actions.hasMore()));
  }

  showBeside(item) {
    this.beside = item;
    this.fill(item, `Number ${item.id}`, []);
    for (const id of ["detail-previous", "detail-next"]) part(id).setAttribute("aria-disabled", String(this.hits.length === 0));
  }

  fill(item, title, first) {
    this.reading?.abort();
    this.reading = new AbortController();
    this.item = item;
    const focused = document.activeElement;
    part("detail-title").textContent = title;
    part("detail-toast").textContent = ""; // it was about somebody else
    part("detail-back").hidden = this.beside === null || this.hits.length === 0;
    part("detail-picture").replaceChildren(picture(item, { alt: `Picture of ${title.toLowerCase()}`, width: 256, height: 512 }));
    part("detail-facts").replaceChildren(...first, this.buttons(), part("detail-evidence"), link(item), facts(item), part("detail-strips"), ...attributes(item));
    part("detail-facts").scrollTop = 0;
    offerEvidence(part("detail-evidence"), part("detail-picture"), item.id, this.asked.query, this.reading.signal);
    showStrips(part("detail-strips"), item.id, { onOpen: (other) => this.showBeside(other), signal: this.reading.signal, unasked: this.actions.unasked() });
    this.mark();
    if (this.dialog.open && (focused.hidden || !this.dialog.contains(document.activeElement))) part("detail-facts").focus(); // keys go on working
  }

  // ---- what can be done ---------------------------------------------------------------------------------------------

  buttons() {
    const act = (name, symbol, label) => {
      const button = element("button", { type: "button", className: "secondary small", "data-act": name }, icon(symbol), element("span", {}, label));
      button.addEventListener("click", () => this.act(name));
      return button;
    };
    const plain = [act("like", "plus", "More like this"), act("not", "minus", "Not like this"), act("pin", "pin", "Pin")];
    const rows = [element("div", { className: "detail-actions" }, ...plain)];
    if (this.actions.working()) rows.push(this.asked.query ? this.decisions() : element("p", { className: "hint" }, WITHOUT_WORDS));
    return element("div", {}, ...rows);
  }

  /** Is this the person of the words? Kept in the case, with who decided it. */
  decisions() {
    const told = element("p", { className: "hint", role: "status" }, "");
    const buttons = VERDICTS.map(([verdict, label]) => {
      const button = element("button", { type: "button", className: "secondary small", "aria-pressed": "false", "data-verdict": verdict }, label);
      button.addEventListener("click", async () => (told.textContent = await this.actions.decide(this.item.id, this.asked, verdict)));
      return button;
    });
    const legend = element("legend", {}, "Is this the person searched for?");
    return element("fieldset", { className: "decisions" }, legend, element("p", { className: "hint" }, `Searched by: ${inFull(this.asked)}`), ...buttons, told);
  }

  /** Show what the file of the case says of this person: pinned or not, and one's own decision. */
  mark() {
    if (!this.item) return;
    const { pinned, verdict } = this.actions.known(this.item.id, this.asked);
    const pin = part("detail-facts").querySelector("[data-act=pin]");
    pin.setAttribute("aria-pressed", String(pinned));
    pin.querySelector("span").textContent = pinned ? "Pinned" : "Pin";
    for (const button of part("detail-facts").querySelectorAll("[data-verdict]")) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
  }
}

/** What was asked for, in words. */
export function inFull({ query, asked }) {
  return asked === "words" ? query : `${query} (with pictures or people marked)`;
}

function score(hit, judgement) {
  const chance = chanceText(hit);
  const figures = chance
    ? [element("strong", {}, chance), ` likely · similarity ${scoreText(hit.score)}`]
    : [element("strong", {}, scoreText(hit.score)), " similarity"];
  const hint = chance
    ? `That this is the person described, if the gallery shows them with even odds; measured on ${judgement.calibrated_on}.`
    : "How close picture and words are, from −1 to 1. It is not a probability.";
  return element("div", { className: "detail-score" }, element("p", {}, ...figures), scoreBar(hit), element("p", { className: "hint" }, hint));
}

function facts(hit) {
  const list = element("dl", { className: "facts" });
  const add = (name, ...value) => list.append(element("div", {}, element("dt", {}, name), element("dd", {}, ...value)));
  add("Camera", hit.camera ?? "Not known");
  if (hit.seen_at) add("Seen", element("time", { dateTime: hit.seen_at }, longTime(hit.seen_at)), element("small", {}, hit.seen_at));
  else add("Seen", "Not known");
  if (hit.track !== null && hit.track !== undefined) add("Track", hit.track);
  add("Source", hit.source);
  add("Number", String(hit.id));
  return list;
}

function attributes(hit) {
  const known = Object.entries(hit.attributes ?? {});
  if (!known.length) return [];
  const rows = known.map(([name, value]) =>
    element("div", {}, element("dt", {}, inWords(name)), element("dd", {}, attributeText(value))),
  );
  return [element("h3", {}, "Attributes"), element("dl", { className: "facts" }, ...rows)];
}

function link(hit) {
  const anchor = element("a", { href: hit.image_url.replace(/^\//, ""), target: "_blank", rel: "noopener" }, "Open the picture alone");
  return element("p", { className: "open-picture" }, anchor);
}

function attributeText(value) {
  if (value === true) return "Yes";
  if (value === false) return "No";
  return String(value);
}
