// Signing in: a key is typed once, a cookie that no script can read stands for it afterwards.

const dialog = document.getElementById("signin");
const form = document.getElementById("signin-form");
const told = document.getElementById("signin-problem");

/** Ask for a key; when it is good, the page begins anew. */
export function askForKey() {
  if (!dialog.open) dialog.showModal();
}

/** Forget what this tab keeps of somebody's work, and begin anew: whoever comes next searches for somebody else. */
export function beginAnew() {
  try {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith("cskt.")) sessionStorage.removeItem(name);
  } catch {
    // storage can be forbidden; then nothing is kept
  }
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
  if (response?.ok) return beginAnew();
  const answer = await response?.json().catch(() => null);
  told.textContent = answer?.detail ?? "The service cannot be reached.";
});
