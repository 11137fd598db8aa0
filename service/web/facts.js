// The menu of attributes that the gallery's rows have: ticking several values of one means any of them.

import { addTo } from "./address.js";
import { element } from "./element.js";

const MANY_VALUES = 15;
const part = (id) => document.getElementById(id);

export class FactsMenu {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.facets = [];
    this.chosen = new Map();
    part("facts").addEventListener("change", () => {
      this.chosen = new Map();
      for (const box of part("facts").querySelectorAll("input:checked")) addTo(this.chosen, box.name, box.value);
      this.describe();
      onChange();
    });
    part("facts-find").addEventListener("input", () => this.narrow());
    part("facts-find").addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault(); // it would search
    });
  }

  /** Take up the attributes that there are, with their most common values; counts of a sample are not shown. */
  offer(facets) {
    this.facets = facets;
    this.draw();
  }

  /** Show what is chosen. */
  show(facts) {
    this.chosen = facts;
    this.draw();
    this.describe();
  }

  draw() {
    const groups = new Map(this.facets.map(({ name, values, sampled }) => [name, new Map(values.map(({ value, count }) => [String(value), sampled ? 0 : count]))]));
    for (const [name, values] of this.chosen) {
      if (!groups.has(name)) groups.set(name, new Map());
      for (const value of values) if (!groups.get(name).has(value)) groups.get(name).set(value, 0);
    }
    part("facts-menu").hidden = groups.size === 0;
    const focused = part("facts").contains(document.activeElement) ? document.activeElement : null;
    part("facts").replaceChildren(...[...groups].map(([name, values]) => this.group(name, values)));
    if (focused) [...part("facts").querySelectorAll("input")].find((box) => box.name === focused.name && box.value === focused.value)?.focus();
    part("facts-find").hidden = part("facts").querySelectorAll(".choice").length <= MANY_VALUES;
    this.narrow();
  }

  /** Leave the values whose name, or whose attribute's name, holds what is looked for. */
  narrow() {
    const wanted = part("facts-find").hidden ? "" : part("facts-find").value.trim().toLowerCase();
    for (const group of part("facts").children) {
      const all = group.querySelector("legend").textContent.toLowerCase().includes(wanted);
      const choices = [...group.querySelectorAll(".choice")];
      for (const choice of choices) choice.hidden = !all && !choice.querySelector(".choice-name").textContent.toLowerCase().includes(wanted);
      group.hidden = choices.every((choice) => choice.hidden);
    }
    part("facts-none").hidden = [...part("facts").children].some((group) => !group.hidden);
  }

  group(name, values) {
    const boxes = [...values].map(([value, count]) => {
      const checked = this.chosen.get(name)?.includes(value) ?? false;
      return element(
        "label",
        { className: "choice" },
        element("input", { type: "checkbox", name, value, checked }),
        element("span", { className: "choice-name" }, value === "true" ? "Yes" : value === "false" ? "No" : value),
        element("span", { className: "count" }, count ? count.toLocaleString("en") : ""),
      );
    });
    return element("fieldset", { className: "choices" }, element("legend", {}, inWords(name)), ...boxes);
  }

  describe() {
    const values = [...this.chosen.values()].flat();
    const count = values.length;
    part("facts-choice").textContent = count === 0 ? "Attributes" : count === 1 ? `${inWords([...this.chosen.keys()][0])}: ${values[0]}` : `${count} attributes`;
    part("facts-menu").classList.toggle("chosen", count > 0);
  }
}

/** The name of an attribute for people: "carries_bag" is "Carries bag". */
export function inWords(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
