// One person, large, with every fact the gallery has; previous and next walk the ranking.

import { element } from "./element.js";
import { chanceText, picture, scoreBar, scoreText } from "./results.js";
import { longTime } from "./times.js";

const part = (id) => document.getElementById(id);

export class Detail {
  /** @param {(index: number) => void} onClose told which hit was shown last, so that the focus can return to it */
  constructor(onClose) {
    this.dialog = part("detail");
    this.hits = [];
    this.index = 0;
    part("detail-previous").addEventListener("click", () => this.step(-1));
    part("detail-next").addEventListener("click", () => this.step(1));
    part("detail-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => onClose(this.index));
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

  step(by) {
    const index = this.index + by;
    if (index >= 0 && index < this.hits.length) this.show(index);
  }

  onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1, k: -1, j: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    this.step(by);
  }

  show(index) {
    const hit = this.hits[index];
    this.index = index;
    part("detail-title").textContent = `Hit ${index + 1} of ${this.hits.length}`;
    part("detail-previous").setAttribute("aria-disabled", String(index === 0));
    part("detail-next").setAttribute("aria-disabled", String(index === this.hits.length - 1));
    const alt = `Picture of hit ${index + 1}`;
    part("detail-picture").replaceChildren(picture(hit, { alt, width: 256, height: 512 }));
    part("detail-facts").replaceChildren(score(hit, this.judgement), facts(hit), ...attributes(hit), link(hit));
    part("detail-facts").scrollTop = 0;
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
  const anchor = element("a", { href: hit.image_url, target: "_blank", rel: "noopener" }, "Open the picture alone");
  return element("p", { className: "open-picture" }, anchor);
}

function inWords(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function attributeText(value) {
  if (value === true) return "Yes";
  if (value === false) return "No";
  return String(value);
}
