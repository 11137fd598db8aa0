// The head of the page: who asks and for which case, and what the gallery holds.

import { counted } from "./search.js";
import { dateSpan } from "./times.js";

const part = (id) => document.getElementById(id);

/** @param {import("./work.js").Work} work */
export function showHead(work) {
  const id = work.case;
  part("case-now").hidden = !id;
  part("case-name").textContent = id;
  document.querySelector("[data-nav=cases]").href = id ? `?view=cases&case=${encodeURIComponent(id)}` : "?view=cases";
  document.body.classList.toggle("has-case", Boolean(id));
  part("sign-out").hidden = part("who").hidden = !work.session?.needs_key;
  part("work").hidden = !id && !work.session?.needs_key;
  document.body.classList.toggle("has-work", !part("work").hidden);
  part("who").textContent = [work.session?.name, ...(work.session?.cameras ? [`sees ${work.session.cameras.join(", ")} only`] : [])].join(" · ");
}

/** What the gallery holds, and what is to be known of its encoder. */
export function showFacts(gallery) {
  const { items, cameras, first_seen: first, last_seen: last } = gallery;
  const places = Object.keys(cameras).length;
  const known = [counted(items, "image"), places ? counted(places, "camera") : null, first && last ? dateSpan(first, last) : null];
  part("gallery-facts").textContent = items ? known.filter(Boolean).join(" · ") : "";
  part("examples").hidden = items === 0;
  part("caveat").hidden = !gallery.encoder_note;
  for (const id of ["encoder-note", "encoder-note-start"]) part(id).textContent = gallery.encoder_note ?? "";
}
