// Cases: what is being looked for and why; who was pinned, what people decided and noted; a report to print.

import { addEntry, closeCase, fetchCase, fetchCases, fetchReport, openCase } from "./api.js";
import { element } from "./element.js";
import { emptyCases, problem } from "./messages.js";
import { picture } from "./results.js";
import { save } from "./search.js";
import { longTime, minuteTime, shortTime } from "./times.js";

const STATES = {
  confirmed: "Confirmed as the person searched for",
  "one more": "Another person has to look",
  disputed: "Disputed: people disagree",
  not: "Not the person searched for",
  unsure: "Unsure",
};
const VERDICTS = { same: "same person", not: "not the person", unsure: "unsure" };
const part = (id) => document.getElementById(id);

export class CasesView {
  /**
   * @param {{session: () => object | null, worked: () => string, work: (id: string) => void,
   *   opened: (file: object) => void, show: (item: object) => void}} page
   */
  constructor(page) {
    this.page = page;
    part("case-form").addEventListener("submit", (event) => void this.begin(event));
    part("note-form").addEventListener("submit", (event) => void this.note(event));
    part("case-report").addEventListener("click", () => void this.report());
    part("case-close").addEventListener("click", () => void this.close());
    part("case-work").addEventListener("click", () => {
      this.page.work(this.id);
      this.draw(this.file);
    });
  }

  /** Show the list, and the file of one case if one is named. */
  async show(id) {
    this.id = id;
    part("case-file").hidden = true;
    try {
      const { cases, may_open: mayOpen, people_needed: needed } = await fetchCases();
      part("case-form").hidden = !mayOpen;
      this.mayClose = mayOpen;
      part("cases-hint").textContent = needed > 1 ? `${needed} people must agree before somebody counts as found.` : "";
      this.list(cases);
      if (id) this.draw(await this.read(id));
    } catch (error) {
      part("cases-list").replaceChildren(element("li", { className: "message is-problem" }, ...problem(error, () => void this.show(id))));
    }
  }

  /** The file of a case; whoever shows pins learns of it. */
  async read(id) {
    const file = await fetchCase(id);
    this.page.opened(file);
    return file;
  }

  list(cases) {
    const rows = cases.map((one) => {
      const link = element("a", { href: `?view=cases&case=${encodeURIComponent(one.id)}` }, one.id);
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        history.pushState(null, "", link.getAttribute("href"));
        void this.show(one.id);
      });
      if (one.id === this.id) link.setAttribute("aria-current", "true");
      return element(
        "li",
        { className: "case-row" },
        link,
        element("span", {}, one.basis),
        element("small", {}, `open until ${minuteTime(one.expires)}${one.cameras ? ` · cameras ${one.cameras.join(", ")}` : ""}`),
      );
    });
    part("cases-list").replaceChildren(...(rows.length ? rows : [element("li", { className: "message" }, ...emptyCases(this.mayClose))]));
  }

  draw(file) {
    this.file = file;
    part("case-file").hidden = false;
    part("case-title").textContent = `Case ${file.id}`;
    part("case-basis").textContent = `${file.basis} · opened ${longTime(file.opened)} · until ${longTime(file.expires)}`;
    const working = this.page.worked() === file.id;
    part("case-work").hidden = working;
    part("case-working").hidden = !working;
    part("case-close").hidden = !this.mayClose;
    part("case-people").replaceChildren(...this.findings(file), ...this.pins(file));
    part("case-notes").replaceChildren(...file.notes.map((note) => element("li", {}, element("p", {}, note.words), element("small", {}, `${note.by}, ${shortTime(note.at)}`))));
  }

  findings(file) {
    return Object.entries(STATES).flatMap(([state, title]) => {
      const found = file.findings.filter((one) => one.state === state);
      if (!found.length) return [];
      const cards = found.map((one) => this.person(one, [`searched by: ${one.query}`, ...one.decisions.map((said) => `${said.by}: ${VERDICTS[said.verdict]}, ${shortTime(said.at)}`)], this.verdicts(one)));
      return [element("h3", {}, title), element("ul", { className: "people" }, ...cards)];
    });
  }

  pins(file) {
    if (!file.pins.length) return file.findings.length ? [] : [element("p", { className: "hint" }, "Nobody is pinned yet. Work on this case, search, and pin who could be the person.")];
    const cards = file.pins.map((pin) => {
      const off = element("button", { type: "button", className: "secondary small" }, "Take off");
      off.addEventListener("click", () => void this.write({ kind: "unpin", item: pin.id }));
      return this.person(pin, [pin.query ? `found by: ${pin.query}` : "", `pinned by ${pin.by}, ${shortTime(pin.at)}`], [off]);
    });
    return [element("h3", {}, "Pinned"), element("ul", { className: "people" }, ...cards)];
  }

  person(one, lines, buttons) {
    const { item } = one;
    const open = element("button", { type: "button", className: "person-open", "aria-label": `Open number ${one.id}`, disabled: item === null }, item ? picture(item, { width: 96, height: 192, loading: "lazy" }) : "No longer in the gallery");
    if (item) open.addEventListener("click", () => this.page.show(item));
    const where = item ? [item.camera ?? "No camera", item.seen_at ? shortTime(item.seen_at) : "No time"] : [];
    return element(
      "li",
      {},
      open,
      element("strong", {}, `No. ${one.id}`),
      ...[...where, ...lines].filter(Boolean).map((line) => element("span", {}, line)),
      element("div", { className: "person-buttons" }, ...buttons),
    );
  }

  verdicts(finding) {
    return Object.entries({ same: "Same", not: "Not", unsure: "Unsure" }).map(([verdict, label]) => {
      const mine = finding.decisions.some((said) => said.mine && said.verdict === verdict);
      const button = element("button", { type: "button", className: "secondary small", "aria-pressed": String(mine), "aria-label": `${label}: number ${finding.id}` }, label);
      button.addEventListener("click", () => void this.write({ kind: "decision", item: finding.id, query: finding.query, verdict }));
      return button;
    });
  }

  async write(entry) {
    try {
      const file = await addEntry(this.id, entry);
      this.page.opened(file);
      this.draw(file);
    } catch (error) {
      this.complain(error);
    }
  }

  async note(event) {
    event.preventDefault();
    const words = part("note-words").value.trim();
    if (!words) return;
    await this.write({ kind: "note", words });
    part("note-words").value = "";
  }

  async begin(event) {
    event.preventDefault();
    const { id, basis, days } = Object.fromEntries(new FormData(part("case-form")));
    part("case-problem").textContent = "";
    try {
      await openCase({ id, basis, days: Number(days) });
      part("case-form").reset();
      this.page.work(id);
      history.pushState(null, "", `?view=cases&case=${encodeURIComponent(id)}`);
      await this.show(id);
    } catch (error) {
      part("case-problem").textContent = error.message;
    }
  }

  async report() {
    try {
      save(await fetchReport(this.id), `case-${this.id.replaceAll(/[^\w.-]/g, "_")}.html`);
    } catch (error) {
      this.complain(error);
    }
  }

  async close() {
    if (!confirm(`Close the case ${this.id}? Nobody is shown for it any more; print its report first.`)) return;
    try {
      await closeCase(this.id);
      if (this.page.worked() === this.id) this.page.work("");
      history.pushState(null, "", "?view=cases");
      await this.show("");
    } catch (error) {
      this.complain(error);
    }
  }

  complain(error) {
    part("case-told").textContent = error.message;
  }
}
