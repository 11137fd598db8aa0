// The grid of hits: tall crops with rank, probability or score, camera and time, walked with the keyboard as one tab stop.

import { element, icon } from "./element.js";
import { shortTime } from "./times.js";

const EAGER = 12;

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
   * @param {HTMLElement} grid
   * @param {{open: (index: number) => void, like: (id: number) => void, not: (id: number) => void, pin: (id: number) => void}} actions
   */
  constructor(grid, actions) {
    this.grid = grid;
    this.actions = actions;
    this.hits = [];
    this.current = 0;
    grid.addEventListener("click", (event) => this.onClick(event));
    grid.addEventListener("focusin", (event) => {
      const item = event.target.closest("li");
      if (item && this.hits.length) this.makeCurrent(this.indexOf(item));
    });
    grid.addEventListener("keydown", (event) => this.walk(event));
    new ResizeObserver(() => this.measure()).observe(grid);
  }

  /** Show ranked hits in place of others. */
  show(hits) {
    this.hits = hits;
    this.grid.replaceChildren(...hits.map((hit, index) => card(hit, index)));
    this.grid.removeAttribute("aria-busy");
    this.current = 0;
    this.makeCurrent(0);
    this.measure();
  }

  /** Show further hits behind those that are there. */
  append(hits) {
    const from = this.hits.length;
    this.hits = [...this.hits, ...hits];
    this.grid.append(...hits.map((hit, index) => card(hit, from + index)));
    this.grid.removeAttribute("aria-busy");
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

  /** Mark who is pinned in the case that is worked on. */
  markPinned(ids) {
    for (const item of this.grid.children) {
      const pin = item.querySelector("[data-action=pin]");
      pin?.setAttribute("aria-pressed", String(ids.has(Number(item.firstElementChild.dataset.id))));
    }
  }

  /** Put the focus on one card, the nearest there is. */
  focus(index) {
    const item = this.grid.children[Math.min(this.hits.length - 1, Math.max(0, index))];
    item?.querySelector("button.hit")?.focus();
  }

  indexOf(item) {
    return Number(item.dataset.index);
  }

  makeCurrent(index) {
    for (const at of [this.current, index]) {
      const button = this.grid.children[at]?.querySelector("button.hit");
      if (button) button.tabIndex = at === index ? 0 : -1;
    }
    this.current = index;
  }

  /** Tell the style how high a card is, so that cards out of sight take exactly the place of drawn ones. */
  measure() {
    const height = this.grid.firstElementChild?.firstElementChild?.getBoundingClientRect().height;
    if (height) this.grid.style.setProperty("--card-height", `${height}px`);
  }

  onClick(event) {
    const item = event.target.closest("li");
    const button = event.target.closest("button");
    if (!item || !button || !this.hits.length) return;
    const index = this.indexOf(item);
    const action = button.dataset.action ?? "open";
    this.actions[action](action === "open" ? index : this.hits[index].id);
  }

  walk(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !event.target.matches("button.hit")) return;
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

function card(hit, index) {
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
    { "data-index": index },
    element(
      "button",
      { type: "button", className: "hit", tabIndex: -1, "aria-label": label, "data-id": hit.id },
      element("span", { className: "frame" }, ...frame),
      element("span", { className: "score" }, scoreBar(hit), element("span", { className: "score-number" }, chance ?? scoreText(hit.score))),
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
