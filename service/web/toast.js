// A sentence at the foot of the page or in the head of a dialog; also read out.

import { element } from "./element.js";

const part = (id) => document.getElementById(id);

/** Say something. It goes away by itself, unless something can be done about it: `way` is a label and what it does. */
export function tell(sentence, way = null) {
  const toast = part(part("detail").open ? "detail-toast" : "toast");
  toast.replaceChildren(sentence);
  if (way) {
    const [label, act] = way;
    const button = element("button", { type: "button", className: "toast-button" }, label);
    button.addEventListener("click", act);
    toast.append(button);
  } else setTimeout(() => toast.textContent === sentence && toast.replaceChildren(), 5000);
}

/** What was said is over. */
export function hush() {
  for (const id of ["toast", "detail-toast"]) part(id).replaceChildren();
}
