// The words that are searched for: typed, taken from an example, or written by the helper.

import { asksForSomebody } from "./address.js";
import { fillDescribe } from "./describe.js";
import { element } from "./element.js";
import { tell } from "./toast.js";

const EXAMPLES = [
  "A man in a yellow t-shirt and brown trousers, carrying a black suitcase",
  "A woman with long black hair wearing a beige sweater and a white skirt",
  "A woman with long blond hair wearing a light blue jacket and navy jeans, carrying a green backpack",
  "A woman in a red jacket and black trousers",
]; // in the demo gallery the first three find somebody convincing; the last is too little said for that
const part = (id) => document.getElementById(id);

export const ON_A_TOUCH_SCREEN = matchMedia("(pointer: coarse)");

/**
 * @param {import("./search.js").Search} search
 * @param {import("./filters.js").Filters} filters
 */
export function listenToWords(search, filters) {
  const typed = (text) => {
    part("text").value = text;
    part("clear").hidden = !text;
  };
  part("examples").replaceChildren(
    ...EXAMPLES.map((text) => {
      const chip = element("button", { type: "button", className: "chip" }, text);
      chip.addEventListener("click", () => {
        if (!ON_A_TOUCH_SCREEN.matches) part("text").focus();
        search.ask({ text });
      });
      return element("li", {}, chip);
    }),
  );
  part("describe-clear").addEventListener("click", fillDescribe(part("describe"), part("text"), typed));
  part("search").addEventListener("submit", (event) => {
    event.preventDefault();
    filters.close();
    if (ON_A_TOUCH_SCREEN.matches) part("text").blur(); // its keyboard would hide the hits
    search.ask({});
    if (!asksForSomebody(search.query)) tell("Type what the person looks like.");
  });
  part("text").addEventListener("keydown", (event) => event.key === "Escape" && event.preventDefault()); // the browser would clear it
  part("text").addEventListener("input", () => (part("clear").hidden = !part("text").value));
  part("clear").addEventListener("click", () => {
    typed("");
    part("text").focus();
  });
}
