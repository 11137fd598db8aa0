// Signing in: a key is typed once, a cookie that no script can read stands for it afterwards.

import { forgetAll, keep, kept } from "./kept.js";

const WHOSE = "key"; // the id of the key that this tab was last used with
const dialog = document.getElementById("signin");
const form = document.getElementById("signin-form");
const told = document.getElementById("signin-problem");
let page = { locked: () => {}, entered: () => {} };

/** @param {{locked: () => void, entered: () => void}} given locked: nobody is signed in (any more). entered: somebody is. */
export function listenToSigningIn(given) {
  page = given;
}

/** Ask for a key. Until a good one is there nobody is shown. */
export function askForKey() {
  if (dialog.open) return;
  page.locked();
  dialog.showModal();
}

/** Whether this tab was used by somebody before. */
export function wasUsed() {
  return kept(WHOSE) !== null;
}

/** Whether this tab holds the work of somebody else than who has this key; from now on it is the key's. */
export function isSomebodyElses(key) {
  const before = kept(WHOSE);
  if (before !== null && before !== key) return true;
  keep(WHOSE, key);
  return false;
}

/** Forget what this tab keeps of somebody's work, and begin anew: whoever comes next searches for somebody else. */
export function beginAnew() {
  forgetAll();
  location.replace("./");
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  told.textContent = "";
  const response = await fetch("v1/session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(Object.fromEntries(new FormData(form))),
  }).catch(() => null);
  if (response?.ok) {
    form.reset();
    dialog.close();
    return page.entered();
  }
  const answer = await response?.json().catch(() => null);
  told.textContent = answer?.detail ?? "The service cannot be reached.";
});
