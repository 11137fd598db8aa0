// In casework: which case one works on, and why. Asked after signing in, and wherever the service asks for it.

import { fetchCases, reasonOf } from "./api.js";
import { element } from "./element.js";

const part = (id) => document.getElementById(id);

export class CaseChoice {
  /** @param {{work: import("./work.js").Work, chosen: () => void}} page */
  constructor(page) {
    this.page = page;
    this.dialog = part("choice");
    part("choice-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.take();
    });
    part("choice-later").addEventListener("click", () => this.dialog.close());
    document.addEventListener("click", (event) => event.target.closest("[data-choose-case]") && void this.open());
  }

  /** Offer the open cases, one of them chosen. */
  async open(id = "") {
    this.say("");
    part("choice-case").replaceChildren(); // what was open before may not be open now, and would go while one chooses
    if (!this.dialog.open) this.dialog.showModal();
    try {
      const { cases } = await fetchCases();
      const options = cases.map((one) => element("option", { value: one.id, selected: one.id === id }, `${one.id}: ${one.basis}`));
      part("choice-case").replaceChildren(element("option", { value: "" }, "Choose …"), ...options); // none by mistake
      part("choice-fields").disabled = cases.length === 0;
      if (!cases.length) this.say("No case is open to your key. Ask whoever opens cases to open one for you.");
    } catch (error) {
      this.say(reasonOf(error));
    }
  }

  async take() {
    const { case: id, purpose } = Object.fromEntries(new FormData(part("choice-form")));
    try {
      await this.page.work.on(id, purpose);
    } catch (error) {
      return this.say(error.needsCase ? await this.whyNot(id) : reasonOf(error));
    }
    part("choice-form").reset();
    this.dialog.close();
    this.page.chosen();
  }

  async whyNot(id) {
    const open = await fetchCases().catch(() => null);
    if (open?.cases.some((one) => one.id === id)) return "The purpose is too short: say it in a few words.";
    return "This case is not open to you any more.";
  }

  say(sentence) {
    part("choice-problem").textContent = sentence;
  }
}
