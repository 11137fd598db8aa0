// What narrows a search: cameras, attributes, a brushed time (chosen at once), a typed time (with Apply), one hit for each passage.

import { fetchTimeline } from "./api.js";
import { element } from "./element.js";
import { FactsMenu } from "./facts.js";
import { Histogram } from "./histogram.js";
import { fromField, longTime, minuteSpan, minuteTime, toField, zone } from "./times.js";

const MANY_CAMERAS = 8;
const TIME_STEPS = 48;
const part = (id) => document.getElementById(id);

export class Filters {
  /** @param {() => void} onChange called when something is (un)ticked or a filter cleared */
  constructor(onChange) {
    this.onChange = onChange;
    this.facts = new FactsMenu(() => {
      this.describe();
      onChange();
    });
    this.histogram = new Histogram(part("histogram"), part("time-axis"), (from, until) => this.setTimes(from, until), onChange);
    part("time-menu").addEventListener("toggle", () => part("time-menu").open && this.drawHistogram());
    part("by-track").addEventListener("change", onChange);
    this.chosen = [];
    this.times = ["", ""]; // from, until: ISO, kept as they came until a field is edited (a field has no zone and no milliseconds)
    this.known = {};
    part("cameras").addEventListener("change", () => {
      this.chosen = [...part("cameras").querySelectorAll("input:checked")].map((box) => box.value);
      this.describe();
      onChange();
    });
    part("camera-find").addEventListener("input", () => this.narrow());
    part("camera-find").addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
    part("time-clear").addEventListener("click", () => this.clearTimes());
    part("filters-clear").addEventListener("click", () => this.clear());
    ["seen-from", "seen-until"].forEach((id, place) =>
      part(id).addEventListener("input", () => {
        this.times[place] = fromField(part(id).value);
        this.timesFit();
      }),
    );
    for (const menu of document.querySelectorAll("details.menu")) closeWhenLeft(menu);
  }

  /** Take up what the gallery holds: camera names with counts, first and last time. */
  offer(gallery) {
    this.known = gallery.cameras;
    const { first_seen: first, last_seen: last } = gallery;
    const span = first && last ? `This gallery: ${minuteTime(first)} to ${minuteTime(last)}. ` : "";
    part("time-hint").textContent = `${span}Drag over the bars to choose a time. Times are in ${zone()}.`;
    this.drawCameras();
    this.facts.offer(gallery.attributes);
  }

  /** Show a query's filters. */
  show(query) {
    this.chosen = [...query.cameras];
    this.facts.show(query.facts);
    part("by-track").checked = query.byTrack;
    this.drawCameras();
    this.setTimes(query.seenFrom, query.seenUntil);
    this.describe();
  }

  /** What is chosen now; the times are null when they contradict each other. */
  read() {
    if (!this.timesFit()) {
      part("time-menu").open = true;
      part("seen-until").focus();
      return null;
    }
    this.describe();
    const [seenFrom, seenUntil] = this.times;
    return { cameras: this.chosen, seenFrom, seenUntil, facts: this.facts.chosen, byTrack: part("by-track").checked };
  }

  /** Shut the menus. */
  close() {
    for (const menu of document.querySelectorAll("details.menu")) menu.open = false;
  }

  setTimes(from, until) {
    this.times = [from, until];
    part("seen-from").value = toField(from);
    part("seen-until").value = toField(until);
    this.timesFit();
  }

  async drawHistogram() {
    try {
      this.histogram.draw(await fetchTimeline(this.chosen, TIME_STEPS));
      this.histogram.mark(...this.times);
    } catch {
      part("histogram").hidden = true; // the two fields do without it
    }
  }

  timesFit() {
    const [from, until] = this.times;
    this.histogram.mark(from, until);
    const fit = !from || !until || from < until;
    part("time-error").hidden = fit;
    part("seen-until").setAttribute("aria-invalid", String(!fit));
    return fit;
  }

  clearTimes() {
    this.setTimes("", "");
    part("time-menu").open = false;
    part("time-menu").querySelector("summary").focus();
    this.onChange();
  }

  clear() {
    this.chosen = [];
    this.facts.show(new Map());
    this.setTimes("", "");
    this.drawCameras();
    part("camera-menu").querySelector("summary").focus();
    this.onChange();
  }

  drawCameras() {
    const names = [...new Set([...Object.keys(this.known), ...this.chosen])].sort(NATURAL.compare);
    const boxes = names.map((name) =>
      element(
        "label",
        { className: "choice" },
        element("input", { type: "checkbox", value: name, checked: this.chosen.includes(name) }),
        element("span", { className: "choice-name" }, name),
        element("span", { className: "count" }, (this.known[name] ?? 0).toLocaleString("en")),
      ),
    );
    const none = element("p", { className: "hint" }, "The images of this gallery name no camera.");
    const focused = part("cameras").contains(document.activeElement) ? document.activeElement.value : null;
    part("cameras").replaceChildren(part("cameras").querySelector("legend"), ...(boxes.length ? boxes : [none]));
    if (focused !== null) [...part("cameras").querySelectorAll("input")].find((box) => box.value === focused)?.focus();
    part("camera-find").hidden = names.length <= MANY_CAMERAS;
    this.narrow();
  }

  narrow() {
    const wanted = part("camera-find").hidden ? "" : part("camera-find").value.trim().toLowerCase();
    for (const choice of part("cameras").querySelectorAll(".choice")) {
      choice.hidden = !choice.querySelector("input").value.toLowerCase().includes(wanted);
    }
  }

  describe() {
    const [from, until] = this.times;
    const count = this.chosen.length;
    const cameras = count === 0 ? "All cameras" : count === 1 ? this.chosen[0] : `${count} cameras`;
    let times = "Any time";
    if (from && until && from < until) times = minuteSpan(from, until);
    else if (from) times = `From ${minuteTime(from)}`;
    else if (until) times = `Until ${minuteTime(until)}`;
    part("camera-choice").textContent = cameras;
    part("camera-menu").classList.toggle("chosen", count > 0);
    part("time-choice").textContent = times;
    part("time-choice").title = [from, until].filter(Boolean).map(longTime).join(" – ");
    part("time-menu").classList.toggle("chosen", Boolean(from || until));
    part("filters-clear").hidden = !(count || from || until || this.facts.chosen.size);
  }
}

const NATURAL = new Intl.Collator("en", { numeric: true });

function closeWhenLeft(menu) {
  document.addEventListener("pointerdown", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.preventDefault();
    event.stopPropagation();
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
