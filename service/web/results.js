// The grid of hits: tall crops with rank, probability or score, camera and time, walked with the keyboard as one tab stop.

import { element, icon } from "./element.js";
import { shortTime } from "./times.js";

const EAGER = 12;
const ALL_DRAWN = 60; // so few are drawn whatever is seen

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
  const image = element("img", { alt: "", decoding: "async", ...properties, src: hit.image_url.replace(/^\//, "") });
  image.addEventListener("error", () => {
    image.replaceWith(element("span", { className: "no-picture" }, icon("person"), "Picture not available"));
  });
  return image;
}

export class Results {
  /**
   * Draws only the rows near what is seen: ten thousand hits scroll like fifty.
   * @param {HTMLElement} grid
   * @param {{open: (index: number) => void, like: (id: number) => void, not: (id: number) => void, pin: (id: number) => void}} actions
   */
  constructor(grid, actions) {
    this.grid = grid;
    this.actions = actions;
    this.hits = [];
    this.cards = new Map(); // by index, those that are drawn
    this.pinned = new Set();
    this.current = 0;
    this.rowHeight = 0;
    grid.addEventListener("click", (event) => this.onClick(event));
    grid.addEventListener("focusin", (event) => {
      const item = event.target.closest("li");
      if (item && this.hits.length) this.makeCurrent(Number(item.dataset.index));
    });
    grid.addEventListener("keydown", (event) => this.walk(event));
    addEventListener("scroll", () => requestAnimationFrame(() => this.draw()), { passive: true });
    new ResizeObserver(() => {
      this.measure();
      this.draw();
    }).observe(grid);
  }

  /** Show ranked hits in place of others. */
  show(hits) {
    this.hits = hits;
    this.cards.clear();
    this.grid.replaceChildren();
    this.grid.removeAttribute("aria-busy");
    this.current = 0;
    this.draw();
    this.makeCurrent(0);
  }

  /** Show further hits behind those that are there. */
  append(hits) {
    this.hits = [...this.hits, ...hits];
    for (const item of this.cards.values()) item.setAttribute("aria-setsize", this.hits.length);
    this.draw();
  }

  /** Show what is coming: cards without content. */
  showSkeletons(count) {
    this.show([]);
    const empty = () =>
      element("li", { className: "skeleton", "aria-hidden": "true" }, element("div", { className: "frame" }), element("div", { className: "line" }), element("div", { className: "line short" }));
    this.grid.replaceChildren(...Array.from({ length: count }, empty));
    this.grid.setAttribute("aria-busy", "true");
  }

  /** Show no card at all. */
  clear() {
    this.show([]);
  }

  /** Mark who is pinned in the case that is worked on. */
  markPinned(ids) {
    this.pinned = ids;
    for (const [index, item] of this.cards) this.markCard(item, this.hits[index].id);
  }

  markCard(item, id) {
    item.querySelector("[data-action=pin]").setAttribute("aria-pressed", String(this.pinned.has(id)));
  }

  /** Put the focus on one card, the nearest there is, wherever it is. */
  focus(index) {
    if (!this.hits.length) return;
    const wanted = Math.min(this.hits.length - 1, Math.max(0, index));
    if (!this.cards.has(wanted)) {
      const top = this.grid.getBoundingClientRect().top + scrollY + Math.floor(wanted / this.columns()) * this.rowHeight;
      scrollTo(0, top - innerHeight / 3);
      this.draw();
    }
    this.cards.get(wanted)?.querySelector("button.hit").focus();
  }

  makeCurrent(index) {
    this.current = index;
    this.keepTabStop(false);
  }

  columns() {
    return getComputedStyle(this.grid).gridTemplateColumns.split(" ").length;
  }

  measure() {
    const [first] = this.cards.values();
    const gap = parseFloat(getComputedStyle(this.grid).rowGap) || 0;
    if (first && this.grid.clientWidth) this.rowHeight = first.getBoundingClientRect().height + gap;
  }

  /** The hits to be drawn, from one index until before another: whole rows within two screens of what is seen. */
  near() {
    const count = this.hits.length;
    if (count <= ALL_DRAWN || !this.rowHeight) return [0, Math.min(count, ALL_DRAWN)];
    const columns = this.columns();
    const above = -this.grid.getBoundingClientRect().top;
    const row = (pixels) => Math.max(0, Math.floor(pixels / this.rowHeight));
    const first = Math.min(row(above - 2 * innerHeight), Math.floor((count - 1) / columns));
    return [first * columns, Math.min(count, (row(above + 3 * innerHeight) + 1) * columns)];
  }

  draw() {
    if (this.grid.getAttribute("aria-busy") === "true" && !this.cards.size) return; // skeletons
    if (!this.grid.clientWidth) return; // another view is shown
    const [from, until] = this.near();
    const left = this.leave(from, until);
    let before = null; // what stands before the next one that has to be made
    for (let index = from; index < until; index += 1) {
      let item = this.cards.get(index);
      if (!item) {
        item = card(this.hits[index], index, this.hits.length);
        this.markCard(item, this.hits[index].id);
        this.cards.set(index, item);
        if (before) before.after(item);
        else this.grid.prepend(item);
      }
      before = item;
    }
    if (!this.rowHeight) this.measure();
    this.keepTabStop(left);
    const columns = this.columns();
    const rows = (hits) => Math.ceil(hits / columns);
    this.grid.style.setProperty("padding-top", `${(from / columns) * this.rowHeight}px`);
    this.grid.style.setProperty("padding-bottom", `${(rows(this.hits.length) - rows(until)) * this.rowHeight}px`);
  }

  /** Take off what lies far from what is seen; true where the focus was in it. */
  leave(from, until) {
    let focused = false;
    for (const [index, item] of this.cards) {
      if (index >= from && index < until) continue;
      focused ||= item.contains(document.activeElement);
      item.remove();
      this.cards.delete(index);
    }
    return focused;
  }

  /** One card can be reached by Tab: the current one, or else the first that is seen, which also takes a lost focus. */
  keepTabStop(lost) {
    const stop = this.cards.has(this.current) ? this.current : this.firstSeen();
    for (const [index, item] of this.cards) item.querySelector("button.hit").tabIndex = index === stop ? 0 : -1;
    if (lost) this.cards.get(stop)?.querySelector("button.hit").focus({ preventScroll: true });
  }

  /** The first drawn hit whose card begins in what is seen. */
  firstSeen() {
    const drawn = [...this.cards.keys()].sort((one, other) => one - other);
    const head = document.querySelector(".top");
    const covered = getComputedStyle(head).position === "sticky" ? head.offsetHeight : 0;
    return drawn.find((index) => this.cards.get(index).getBoundingClientRect().top >= covered) ?? drawn.at(-1);
  }

  onClick(event) {
    const item = event.target.closest("li");
    const button = event.target.closest("button");
    if (!item || !button || !this.hits.length) return;
    const index = Number(item.dataset.index);
    const action = button.dataset.action ?? "open";
    this.actions[action](action === "open" ? index : this.hits[index].id);
  }

  walk(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !event.target.matches("button.hit")) return;
    const columns = this.columns();
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
  const more = hit.others?.length ? `${hit.others.length} more of this passage` : null;
  const label = [`Hit ${index + 1}`, chance && `${chance} likely`, `similarity ${scoreText(hit.score)}`, where, when, more].filter(Boolean).join(", ");
  const properties = { loading: index < EAGER ? "eager" : "lazy", width: 128, height: 256 };
  const frame = [
    picture(hit, properties),
    element("span", { className: "rank" }, String(index + 1)),
    more && element("span", { className: "others" }, `+${hit.others.length}`),
  ];
  return element(
    "li",
    { "data-index": index, "aria-posinset": index + 1, "aria-setsize": count },
    element(
      "button",
      { type: "button", className: "hit", tabIndex: -1, "aria-label": label, "data-id": hit.id },
      element("span", { className: "frame" }, ...frame),
      element("span", { className: "score" }, scoreBar(hit), chance ? null : element("span", { className: "score-kind" }, "similarity"), element("span", { className: "score-number" }, chance ?? scoreText(hit.score))),
      element("span", { className: "where" }, where),
      when ? element("time", { className: "when", dateTime: hit.seen_at }, when) : element("span", { className: "when" }, "No time"),
    ),
    element("span", { className: "hit-actions" }, ...actionButtons(`hit ${index + 1}`)),
  );
}

/** More like this, not like this, pin: for one person, called so. */
function actionButtons(name) {
  const button = (action, symbol, label, more = {}) =>
    element("button", { type: "button", tabIndex: -1, title: label, "aria-label": `${label}: ${name}`, "data-action": action, ...more }, icon(symbol));
  return [
    button("like", "plus", "More like this"),
    button("not", "minus", "Not like this"),
    button("pin", "pin", "Pin to the case", { "aria-pressed": "false" }),
  ];
}
