// The grid of hits: tall crops with rank, probability or score, camera and time, walked with the keyboard as one tab stop.

import { element, icon } from "./element.js";
import { shortTime } from "./times.js";

/** "0.612": a cosine similarity; never shown as a percentage, because it is no probability. */
export function scoreText(score) {
  return score.toFixed(3);
}

/** "38 %": a calibrated probability, never quite nothing and never certain; null where it is not known. */
export function chanceText({ probability }) {
  if (probability === null || probability === undefined) return null;
  if (probability < 0.01) return "< 1 %";
  if (probability > 0.99) return "> 99 %";
  return `${Math.round(100 * probability)} %`;
}

/** A quiet bar for the probability of a hit, or for its similarity where that is not known. */
export function scoreBar(hit) {
  const fill = element("span", { className: "bar-fill" });
  fill.style.setProperty("--share", String(Math.min(1, Math.max(0, hit.probability ?? hit.score))));
  return element("span", { className: "score-bar", "aria-hidden": "true" }, fill);
}

/** The picture of a hit; a placeholder takes its place when it cannot be loaded. */
export function picture(hit, properties) {
  const image = element("img", { alt: "", decoding: "async", ...properties, src: hit.image_url });
  image.addEventListener("error", () => {
    image.replaceWith(element("span", { className: "no-picture" }, icon("person"), "Picture not available"));
  });
  return image;
}

export class Results {
  /** @param {HTMLElement} grid @param {(index: number) => void} onOpen */
  constructor(grid, onOpen) {
    this.grid = grid;
    this.hits = [];
    this.current = 0;
    grid.addEventListener("click", (event) => {
      const card = event.target.closest("button.hit");
      if (card) onOpen(this.cards().indexOf(card));
    });
    grid.addEventListener("focusin", (event) => {
      const index = this.cards().indexOf(event.target.closest("button.hit"));
      if (index >= 0) this.makeCurrent(index);
    });
    grid.addEventListener("keydown", (event) => this.walk(event));
  }

  /** Show ranked hits. Cards that stay the same are kept, so that nothing flickers when more are shown. */
  show(hits) {
    const before = this.hits;
    const old = [...this.grid.querySelectorAll(":scope > li:not(.skeleton)")];
    const kept = (hit, index) => old[index] && JSON.stringify(before[index]) === JSON.stringify(hit);
    this.hits = hits;
    this.grid.replaceChildren(...hits.map((hit, index) => (kept(hit, index) ? old[index] : card(hit, index, hits.length))));
    this.grid.removeAttribute("aria-busy");
    this.makeCurrent(0);
  }

  /** Show what is coming: cards without content. */
  showSkeletons(count) {
    this.hits = [];
    const empty = () =>
      element("li", { className: "skeleton", "aria-hidden": "true" }, element("div", { className: "frame" }), element("div", { className: "line" }), element("div", { className: "line short" }));
    this.grid.replaceChildren(...Array.from({ length: count }, empty));
    this.grid.setAttribute("aria-busy", "true");
  }

  /** Show no card at all. */
  clear() {
    this.show([]);
  }

  /** Put the focus on one card, the nearest there is. */
  focus(index) {
    const cards = this.cards();
    if (!cards.length) return;
    cards[Math.min(cards.length - 1, Math.max(0, index))].focus();
  }

  cards() {
    return [...this.grid.querySelectorAll("button.hit")];
  }

  makeCurrent(index) {
    this.current = index;
    this.cards().forEach((card, at) => (card.tabIndex = at === index ? 0 : -1));
  }

  walk(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const columns = getComputedStyle(this.grid).gridTemplateColumns.split(" ").length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const target = this.current + step;
    if (Math.abs(step) === columns && columns > 1 && (target < 0 || target >= this.hits.length)) return;
    this.focus(target);
  }
}

function card(hit, index, count) {
  const where = hit.camera ?? "No camera";
  const when = hit.seen_at ? shortTime(hit.seen_at) : null;
  const chance = chanceText(hit);
  const label = [`Hit ${index + 1}`, chance && `${chance} likely`, `similarity ${scoreText(hit.score)}`, where, when].filter(Boolean).join(", ");
  const properties = { loading: index < 12 ? "eager" : "lazy", width: 128, height: 256 };
  return element(
    "li",
    {},
    element(
      "button",
      { type: "button", className: "hit", tabIndex: -1, "aria-label": label, "data-id": hit.id },
      element("span", { className: "frame" }, picture(hit, properties), element("span", { className: "rank" }, String(index + 1))),
      element("span", { className: "score" }, scoreBar(hit), element("span", { className: "score-number" }, chance ?? scoreText(hit.score))),
      element("span", { className: "where" }, where),
      when ? element("time", { className: "when", dateTime: hit.seen_at }, when) : element("span", { className: "when" }, "No time"),
    ),
  );
}
