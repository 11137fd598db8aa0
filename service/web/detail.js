// One person, large: every fact the gallery has, what stands beside it, what can be done. Previous and next walk the ranking.

import { element, icon } from "./element.js";
import { offerEvidence } from "./evidence.js";
import { inWords } from "./facts.js";
import { chanceText, picture, scoreBar, scoreText } from "./results.js";
import { showStrips } from "./strips.js";
import { longTime } from "./times.js";

const VERDICTS = [
  ["same", "Same person"],
  ["not", "Not the person"],
  ["unsure", "Unsure"],
];
const part = (id) => document.getElementById(id);

export class Detail {
  /**
   * @param {{closed: (index: number) => void, like: (id: number) => void, not: (id: number) => void, pin: (id: number) => void,
   *   decide: (id: number, verdict: string) => Promise<string>, working: () => boolean, words: () => string}} actions
   */
  constructor(actions) {
    this.actions = actions;
    this.dialog = part("detail");
    this.hits = [];
    this.index = 0;
    this.beside = null; // an item that is shown but is not of the ranking
    this.reading = null; // AbortController of what is fetched for the one shown
    part("detail-previous").addEventListener("click", () => this.step(-1));
    part("detail-next").addEventListener("click", () => this.step(1));
    part("detail-back").addEventListener("click", () => this.show(this.index));
    part("detail-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => {
      this.reading?.abort();
      actions.closed(this.index);
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close(); // a click beside the content
    });
    this.dialog.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** Show one of the hits. */
  open(hits, index, judgement) {
    this.hits = hits;
    this.judgement = judgement;
    this.show(index);
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** Show one that is not of a ranking: pinned in a case, say. */
  openItem(item) {
    this.hits = [];
    this.index = 0;
    this.showBeside(item);
    if (!this.dialog.open) this.dialog.showModal();
  }

  step(by) {
    const index = this.index + by;
    if (index >= 0 && index < this.hits.length) this.show(index);
  }

  onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, textarea")) return;
    const by = { ArrowLeft: -1, ArrowRight: 1, k: -1, j: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    this.step(by);
  }

  show(index) {
    const hit = this.hits[index];
    this.index = index;
    this.beside = null;
    this.fill(hit, `Hit ${index + 1} of ${this.hits.length}`, [score(hit, this.judgement)]);
    part("detail-previous").setAttribute("aria-disabled", String(index === 0));
    part("detail-next").setAttribute("aria-disabled", String(index === this.hits.length - 1));
  }

  showBeside(item) {
    this.beside = item;
    this.fill(item, `Number ${item.id}`, []);
    for (const id of ["detail-previous", "detail-next"]) part(id).setAttribute("aria-disabled", String(this.hits.length === 0));
  }

  fill(item, title, first) {
    this.reading?.abort();
    this.reading = new AbortController();
    part("detail-title").textContent = title;
    part("detail-back").hidden = this.beside === null || this.hits.length === 0;
    part("detail-picture").replaceChildren(picture(item, { alt: `Picture of ${title.toLowerCase()}`, width: 256, height: 512 }));
    part("detail-facts").replaceChildren(...first, this.buttons(item.id), part("detail-evidence"), facts(item), part("detail-strips"), ...attributes(item), link(item));
    part("detail-facts").scrollTop = 0;
    offerEvidence(part("detail-evidence"), part("detail-picture"), item.id, this.actions.words(), this.reading.signal);
    showStrips(part("detail-strips"), item.id, (other) => this.showBeside(other), this.reading.signal);
  }

  buttons(id) {
    const act = (name, symbol, label) => {
      const button = element("button", { type: "button", className: "secondary small" }, icon(symbol), label);
      button.addEventListener("click", () => this.actions[name](id));
      return button;
    };
    const plain = [act("like", "plus", "More like this"), act("not", "minus", "Not like this"), act("pin", "pin", "Pin")];
    const rows = [element("div", { className: "detail-actions" }, ...plain)];
    if (this.actions.working() && this.actions.words()) rows.push(this.decisions(id));
    return element("div", {}, ...rows);
  }

  /** Is this the person of the words? Kept in the case, with who decided it. */
  decisions(id) {
    const told = element("p", { className: "hint", role: "status" }, "");
    const buttons = VERDICTS.map(([verdict, label]) => {
      const button = element("button", { type: "button", className: "secondary small", "data-verdict": verdict }, label);
      button.addEventListener("click", async () => {
        told.textContent = await this.actions.decide(id, verdict);
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      });
      return button;
    });
    return element("fieldset", { className: "decisions" }, element("legend", {}, "Is this the person searched for?"), ...buttons, told);
  }
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
