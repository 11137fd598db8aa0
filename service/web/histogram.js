// When people were seen, as bars to brush over: dragging chooses a time; the two fields beside it do the same by keyboard.

import { element } from "./element.js";
import { minuteTime } from "./times.js";

export class Histogram {
  /**
   * @param {HTMLElement} box
   * @param {HTMLElement} axis what stands below it: first and last time, the highest count
   * @param {(from: string, until: string) => void} onChoose ISO times, told while brushing
   * @param {() => void} onChosen told at the end of it
   */
  constructor(box, axis, onChoose, onChosen) {
    this.box = box;
    this.axis = axis;
    this.onChoose = onChoose;
    this.edges = [];
    this.began = null;
    box.addEventListener("pointerdown", (event) => this.begin(event));
    box.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"])
      box.addEventListener(end, () => {
        if (this.began !== null) onChosen();
        this.began = null;
      });
  }

  /** Draw counts between edges; fewer than two bars say nothing and are not drawn. */
  draw({ edges, counts }) {
    this.edges = edges;
    this.box.hidden = counts.length < 2;
    const most = Math.max(1, ...counts);
    this.box.replaceChildren(
      ...counts.map((count, place) => {
        const bar = element("span", { className: "time-bar", title: `${minuteTime(edges[place])}: ${count.toLocaleString("en")}` });
        bar.style.setProperty("--share", String(count ? Math.max(0.04, count / most) : 0));
        return bar;
      }),
    );
    const ends = edges.length ? [edges[0], edges.at(-1)].map((time) => element("span", {}, minuteTime(time))) : [];
    const highest = element("span", {}, `highest: ${most.toLocaleString("en")}`);
    this.axis.replaceChildren(...(ends.length ? [ends[0], highest, ends[1]] : []));
    const people = counts.reduce((sum, count) => sum + count, 0).toLocaleString("en");
    if (edges.length) this.box.setAttribute("aria-label", `${people} images from ${minuteTime(edges[0])} to ${minuteTime(edges.at(-1))}. Choose a time with the fields below.`);
  }

  /** Mark the chosen time. */
  mark(from, until) {
    [...this.box.children].forEach((bar, place) => {
      const outside = (from && this.edges[place + 1] <= from) || (until && this.edges[place] >= until);
      bar.classList.toggle("outside", Boolean(outside));
    });
  }

  begin(event) {
    this.began = this.placeOf(event);
    this.box.setPointerCapture(event.pointerId);
    this.choose(this.began);
    event.preventDefault();
  }

  move(event) {
    if (this.began !== null) this.choose(this.placeOf(event));
  }

  choose(place) {
    const [first, last] = [this.began, place].sort((one, other) => one - other);
    this.onChoose(this.edges[first], this.edges[last + 1]);
  }

  placeOf(event) {
    const { left, width } = this.box.getBoundingClientRect();
    const count = this.edges.length - 1;
    return Math.min(count - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * count)));
  }
}
