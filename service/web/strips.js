// What stands beside a person: the rest of the passage, what the camera saw around then, who looks alike.

import { fetchNeighbours, reasonOf } from "./api.js";
import { element } from "./element.js";
import { picture } from "./results.js";
import { shortTime } from "./times.js";

const KINDS = [
  ["track", "The rest of this passage"],
  ["time", "The same camera, ten minutes before and after"],
  ["similar", "Look alike"],
];

/**
 * Fill a box with strips of pictures, each as it comes; those without anybody are left out.
 * @param {HTMLElement} box
 * @param {{onOpen: (item: object) => void, signal: AbortSignal, unasked: boolean}} how unasked: whether they come by themselves
 */
export function showStrips(box, id, { onOpen, signal, unasked }) {
  box.replaceChildren();
  for (const [kind, title] of KINDS) {
    const place = element("section", { className: "strip", hidden: true });
    box.append(place);
    const come = () => void fill(place, id, kind, title, onOpen, signal);
    if (unasked) come();
    else askFor(place, title, come);
  }
}

/** Each person who is shown is on record, and counts: a strip is asked for. */
function askFor(place, title, come) {
  const button = element("button", { type: "button", className: "secondary small" }, `Show: ${title.toLowerCase()}`);
  button.addEventListener("click", () => {
    button.disabled = true;
    come();
  });
  place.replaceChildren(button);
  place.hidden = false;
}

async function fill(place, id, kind, title, onOpen, signal) {
  const show = (content) => {
    if (signal.aborted) return;
    place.replaceChildren(element("h3", {}, title), content);
    place.hidden = false;
  };
  const say = (words) => show(element("p", { className: "hint" }, words));
  let found;
  try {
    found = await fetchNeighbours(id, kind, signal);
  } catch (error) {
    say(`Not known: ${reasonOf(error)}`);
    return; // the person itself is shown all the same
  }
  if (!found.neighbours.length) {
    if (!place.hidden) say("Nobody."); // who asked for it is answered
    return;
  }
  const people = kind === "similar" ? found.neighbours : found.neighbours.toSorted((one, other) => (one.seen_at ?? "").localeCompare(other.seen_at ?? ""));
  const cards = people.map((item) => {
    const button = element(
      "button",
      { type: "button", className: "strip-hit", "aria-label": `Number ${item.id}, ${item.camera ?? "no camera"}, ${item.seen_at ? shortTime(item.seen_at) : "no time"}` },
      picture(item, { width: 64, height: 128, loading: "lazy" }),
      element("span", { className: "when" }, item.seen_at ? shortTime(item.seen_at) : item.camera ?? ""),
    );
    button.addEventListener("click", () => onOpen(item));
    return element("li", {}, button);
  });
  show(element("ul", {}, ...cards));
}
