// What this tab keeps of somebody's work, until it is closed or somebody else signs in. Storage can be full or forbidden:
// then it lasts as long as the page.

const OURS = "cskt.";
const here = new Map(); // what could not be stored

/** What was kept under a name, or null. */
export function kept(name) {
  try {
    return here.get(name) ?? sessionStorage.getItem(OURS + name);
  } catch {
    return null;
  }
}

/** Keep a text under a name. */
export function keep(name, text) {
  try {
    sessionStorage.setItem(OURS + name, text);
    here.delete(name);
  } catch {
    here.set(name, text);
  }
}

/** Keep nothing of it. */
export function forgetAll() {
  here.clear();
  try {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith(OURS)) sessionStorage.removeItem(name);
  } catch {
    // then nothing is stored
  }
}
