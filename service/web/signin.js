// Signing in: a key is typed once, a cookie that no script can read stands for it afterwards.

const dialog = document.getElementById("signin");
const form = document.getElementById("signin-form");
const told = document.getElementById("signin-problem");

/** Ask for a key; when it is good, the page begins anew. */
export function askForKey() {
  if (!dialog.open) dialog.showModal();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  told.textContent = "";
  const fields = Object.fromEntries(new FormData(form));
  const response = await fetch("v1/session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(fields),
  }).catch(() => null);
  if (response?.ok) return location.reload();
  const answer = await response?.json().catch(() => null);
  told.textContent = answer?.detail ?? "The service cannot be reached.";
});
