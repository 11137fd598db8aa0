// What a search asks for beside its words: a picture, rows to be like, rows not to be like. Each can be taken off.

import { element, icon } from "./element.js";
import { pictureUrl } from "./pictures.js";

/**
 * @param {HTMLElement} box
 * @param {import("./address.js").Query} query
 * @param {(change: Partial<import("./address.js").Query>) => void} onChange
 */
export function showChips(box, query, onChange) {
  const chips = [
    ...(query.picture ? [pictureChip(query.picture, () => onChange({ picture: "" }))] : []),
    ...query.like.map((id) => rowChip("More like", id, "like", () => onChange({ like: query.like.filter((other) => other !== id) }))),
    ...query.not.map((id) => rowChip("Not like", id, "not", () => onChange({ not: query.not.filter((other) => other !== id) }))),
  ];
  box.replaceChildren(...chips.map((chip) => element("li", {}, chip)));
  box.hidden = chips.length === 0;
}

function pictureChip(name, onRemove) {
  const url = pictureUrl(name);
  if (url) return chip("picture", url, "Like your picture", "your picture", onRemove);
  return chip("not", null, "A picture that this tab does not have: add it again", "the lost picture", onRemove);
}

function rowChip(words, id, kind, onRemove) {
  return chip(kind, `v1/images/${id}`, words, `${words.toLowerCase()} number ${id}`, onRemove);
}

function chip(kind, url, words, name, onRemove) {
  const button = element("button", { type: "button", className: "chip-remove", "aria-label": `Remove ${name}` }, icon("close"));
  button.addEventListener("click", () => {
    onRemove();
    if (!button.isConnected) (document.querySelector("#chips .chip-remove") ?? document.getElementById("results")).focus(); // keys go on working
  });
  const thumb = url ? element("img", { src: url, alt: "", width: 20, height: 40 }) : null;
  return element("span", { className: `query-chip is-${kind}` }, thumb, element("span", {}, words), button);
}
