// Which region of a picture answers which phrase of the query: an aid for looking, no proof.

import { fetchEvidence, reasonOf } from "./api.js";
import { element } from "./element.js";

const STRONGEST = 0.8; // opacity
const WORTH_SHOWING = 0.5; // the maps are diffuse: their peaks mean something, their areas do not

/**
 * Offer the phrases as buttons; the chosen one is drawn over the picture.
 * @param {HTMLElement} box
 * @param {HTMLElement} frame holds the picture
 * @param {AbortSignal} signal
 */
export function offerEvidence(box, frame, id, text, signal) {
  box.replaceChildren();
  if (!text) return;
  const start = element("button", { type: "button", className: "secondary small" }, "Show what answers which words");
  const told = element("p", { className: "hint", role: "status" });
  start.addEventListener("click", () => void show(box, start, told, frame, id, text, signal));
  box.append(start, told);
}

/** The button stays until there is something to show, and hands the focus on to it. */
async function show(box, start, told, frame, id, text, signal) {
  told.textContent = "Looking …";
  let phrases;
  try {
    ({ phrases } = await fetchEvidence(id, text, signal));
  } catch (error) {
    told.textContent = reasonOf(error);
    return;
  }
  if (signal.aborted) return;
  const focused = document.activeElement === start;
  const buttons = phrases.map((phrase) => {
    const button = element("button", { type: "button", className: "chip", "aria-pressed": "false" }, phrase.text);
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button && on));
      draw(frame, on ? phrase.regions : null);
    });
    return button;
  });
  box.replaceChildren(
    element("ul", { className: "phrases", "aria-label": "Phrases" }, ...buttons.map((button) => element("li", {}, button))),
    element("p", { className: "hint" }, "Brighter regions fit the chosen words better. An aid for looking, not proof: it can be wrong."),
  );
  buttons[0]?.click();
  if (focused) buttons[0]?.focus();
}

/** Draw a map (rows of numbers from 0 to 1) over the picture; null takes it away. */
function draw(frame, regions) {
  frame.querySelector("canvas")?.remove();
  const image = frame.querySelector("img");
  if (!regions || !image) return;
  const [rows, columns] = [regions.length, regions[0].length];
  const canvas = element("canvas", { className: "evidence", width: columns, height: rows, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  regions.flat().forEach((value, place) => {
    const peak = Math.max(0, (value - WORTH_SHOWING) / (1 - WORTH_SHOWING));
    pixels.data.set([255, 196, 0, Math.round(255 * STRONGEST * peak)], 4 * place);
  });
  context.putImageData(pixels, 0, 0);
  frame.append(canvas);
  new ResizeObserver((_, observer) => (canvas.isConnected ? fit(canvas, image) : observer.disconnect())).observe(frame); // also before it is painted first
}

/** Lay the canvas exactly over what the picture really covers of its box. */
function fit(canvas, image) {
  const box = image.getBoundingClientRect();
  const outer = image.parentElement.getBoundingClientRect();
  const scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  const place = { left: box.left - outer.left + (box.width - width) / 2, top: box.top - outer.top + (box.height - height) / 2, width, height };
  for (const [name, value] of Object.entries(place)) canvas.style.setProperty(name, `${value}px`);
}
