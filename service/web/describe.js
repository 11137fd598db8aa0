// A helper for people who do not know what to say: choices about what can be seen, written as a sentence.

import { element } from "./element.js";

const COLOURS = ["black", "white", "grey", "red", "blue", "green", "yellow", "orange", "brown", "beige", "pink", "purple", "navy", "light blue"];
const MANY = ["trousers", "jeans", "shorts", "leggings", "glasses", "sunglasses", "shoes", "boots", "trainers", "sandals"];

/** Each row: what it is about, and its choices; [colour, kind] where a thing has a colour. */
const ROWS = [
  { name: "Person", choices: { person: ["a person", "a woman", "a man", "a girl", "a boy"] } },
  { name: "Hair", choices: { hairLength: ["long", "short", "shoulder-length"], hairColour: ["black", "brown", "blond", "grey", "red"] } },
  { name: "Upper body", choices: { topColour: COLOURS, top: ["t-shirt", "shirt", "pullover", "sweater", "jacket", "coat", "hoodie", "dress"] } },
  { name: "Lower body", choices: { bottomColour: COLOURS, bottom: ["trousers", "jeans", "shorts", "skirt", "leggings"] } },
  { name: "Shoes", choices: { shoeColour: COLOURS, shoes: ["shoes", "boots", "trainers", "sandals"] } },
  { name: "Carrying", choices: { bagColour: COLOURS, bag: ["backpack", "handbag", "shoulder bag", "suitcase", "umbrella"] } },
  { name: "Also", choices: { head: ["hat", "cap", "hood", "helmet", "headscarf"], eyes: ["glasses", "sunglasses"] } },
];
const LABELS = { hairLength: "Hair: length", hairColour: "Hair: colour", eyes: "Eyes", head: "Head", top: "Upper body: kind", bottom: "Lower body: kind", bag: "Bag: kind", shoes: "Shoes: kind", person: "Person" };

/**
 * The sentence of some choices: "a woman with long brown hair, wearing a red coat and blue jeans, carrying a black backpack".
 * @param {Record<string, string>} chosen
 */
export function sentence(chosen) {
  const hair = [chosen.hairLength, chosen.hairColour].filter(Boolean).join(" ");
  const worn = [
    thing(chosen.topColour, chosen.top, "top"),
    thing(chosen.bottomColour, chosen.bottom, "trousers"),
    thing(chosen.shoeColour, chosen.shoes, "shoes"),
    thing("", chosen.head, ""),
    thing("", chosen.eyes, ""),
  ].filter(Boolean);
  const bag = thing(chosen.bagColour, chosen.bag, "bag");
  const parts = [hair && `with ${hair} hair`, worn.length && `wearing ${listed(worn)}`, bag && `carrying ${bag}`].filter(Boolean);
  if (!parts.length && !chosen.person) return "";
  const who = chosen.person || "a person";
  return parts.length ? `${who} ${parts.join(", ")}` : who;
}

function thing(colour, kind, usual) {
  if (!colour && !kind) return "";
  const words = [colour, kind || usual].filter(Boolean).join(" ");
  if (MANY.includes(kind || usual)) return words;
  return `${/^[aeiou]/.test(words) ? "an" : "a"} ${words}`;
}

function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/**
 * A text in which the part that the helper wrote is written anew; all other words stay as somebody typed them.
 * @param {string} text what stands in the search box
 * @param {string} before what the helper wrote there last, or empty
 * @param {string} now
 */
function rewritten(text, before, now) {
  const at = before ? text.lastIndexOf(before) : -1;
  const [ahead, behind] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + before.length)];
  const ownWords = ahead.trim().replace(/[,;]$/, "");
  if (!now) return (ownWords + behind).replace(/^[\s,;]+/, "");
  return (ownWords ? `${ownWords}, ${now}` : now) + behind;
}

/**
 * Fill the panel with its choices.
 * @param {HTMLElement} panel
 * @param {{value: string}} box where the sentence is written, beside what somebody typed there
 * @param {(text: string) => void} onChange told the text at every choice, and when all choices are taken back
 * @returns {() => void} takes all choices back
 */
export function fillDescribe(panel, box, onChange) {
  const selects = [];
  const rows = ROWS.map(({ name, choices }) => {
    const fields = Object.entries(choices).map(([key, values]) => {
      const select = element(
        "select",
        { name: key, "aria-label": LABELS[key] ?? `${name}: colour` },
        element("option", { value: "" }, key.endsWith("Colour") ? "any colour" : "–"),
        ...values.map((value) => element("option", { value }, value)),
      );
      selects.push(select);
      return select;
    });
    return element("div", { className: "describe-row" }, element("span", { className: "describe-name", "aria-hidden": "true" }, name), ...fields);
  });
  panel.prepend(...rows);
  const chosen = () => Object.fromEntries(selects.map((select) => [select.name, select.value]));
  let written = "";
  const write = (event) => {
    if (event && written && !box.value.includes(written)) { // another sentence stands there: what was chosen before was somebody else
      for (const select of selects) if (select !== event.target) select.value = "";
      written = "";
    }
    const before = written;
    written = sentence(chosen());
    onChange(rewritten(box.value, before, written));
  };
  panel.addEventListener("change", write);
  return () => {
    for (const select of selects) select.value = "";
    write(null);
  };
}
