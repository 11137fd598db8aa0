// Keys that work anywhere on the page, and the list of them. Single letters can be switched off (WCAG 2.1.4).

const REMEMBERED = "cskt.single-letter-keys";
const part = (id) => document.getElementById(id);

/** Whether single letters do something. */
export function lettersWork() {
  return part("keys-on").checked;
}

/**
 * @param {import("./results.js").Results} results
 * @param {{like: (id: number) => void, not: (id: number) => void, pin: (id: number) => void}} marks
 */
export function listenToKeys(results, marks) {
  const dialog = part("keys");
  const allowed = part("keys-on");
  allowed.checked = recall();
  allowed.addEventListener("change", () => remember(allowed.checked));
  part("open-keys").addEventListener("click", () => dialog.showModal());
  part("keys-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  const actions = {
    "/": () => {
      part("text").focus();
      part("text").select();
    },
    "?": () => dialog.showModal(),
    j: () => results.focus(inGrid() ? results.current + 1 : results.current),
    k: () => results.focus(inGrid() ? results.current - 1 : results.current),
    "+": () => inGrid() && marks.like(results.hits[results.current].id),
    "-": () => inGrid() && marks.not(results.hits[results.current].id),
    p: () => inGrid() && marks.pin(results.hits[results.current].id),
  };
  const inGrid = () => results.grid.contains(document.activeElement);
  document.addEventListener("keydown", (event) => {
    if (!lettersWork() || event.altKey || event.ctrlKey || event.metaKey) return;
    if (document.querySelector("dialog[open]") || isTyping(event.target)) return;
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (!action) return;
    event.preventDefault();
    action();
  });
  part("text").addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" || !results.hits.length) return;
    event.preventDefault();
    results.focus(results.current);
  });
}

function isTyping(target) {
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox]), textarea, select");
}

function recall() {
  try {
    return localStorage.getItem(REMEMBERED) !== "off";
  } catch {
    return true; // storage can be forbidden; the switch then lasts until reload
  }
}

function remember(on) {
  try {
    localStorage.setItem(REMEMBERED, on ? "on" : "off");
  } catch {
    // see recall
  }
}
