// Cases: what is being looked for and why; who was pinned, what people decided and noted; a report to print.

import { addEntry, closeCase, fetchCase, fetchCases, fetchReport, openCase, reasonOf } from "./api.js";
import { inFull } from "./detail.js";
import { element } from "./element.js";
import { keep, kept } from "./kept.js";
import { emptyCases, problem } from "./messages.js";
import { picture } from "./results.js";
import { save } from "./search.js";
import { STATES, VERDICTS } from "./states.js";
import { longTime, minuteTime, shortTime } from "./times.js";

const MISSING = {
  gone: "No longer in the gallery",
  another: "This number belongs to somebody else now",
  budget: "Your key is shown no more people today",
};
const UNCHECKED = "written by an earlier version: whether this is still the same picture is not known";
const toldBy = (said) => `${said.by}: ${VERDICTS[said.verdict] ?? "decided"}, ${shortTime(said.at)}`;
const DRAFT = "note."; // a note that is half written stays with its case
const part = (id) => document.getElementById(id);

export class CasesView {
  /**
   * @param {{work: import("./work.js").Work, known: () => Promise<void>, workOn: (id: string) => void,
   *   show: (item: object, asked: import("./detail.js").Asked) => void}} page
   *   known: once it is known who asks. workOn: work on another case; the page shows this view again then.
   */
  constructor(page) {
    this.page = page;
    part("note-words").addEventListener("input", () => keep(DRAFT + this.id, part("note-words").value));
    part("case-form").addEventListener("submit", (event) => void this.begin(event));
    part("note-form").addEventListener("submit", (event) => void this.note(event));
    part("case-report").addEventListener("click", () => void this.report());
  }

  /** Show the list, and the file of one case if one is named. */
  async show(id, told = "") {
    if (id !== this.id) part("note-words").value = kept(DRAFT + id) ?? "";
    this.id = id;
    this.clear();
    part("case-told").textContent = "";
    part("case-trouble").replaceChildren();
    part("cases-told").textContent = told;
    await this.page.known();
    try {
      const { cases, may_open: mayOpen, people_needed: needed } = await fetchCases();
      if (id !== this.id) return;
      part("case-form").hidden = !mayOpen;
      part("case-form-hint").hidden = mayOpen || cases.length === 0;
      this.mayOpen = mayOpen;
      this.open = new Set(cases.map((one) => one.id));
      part("cases-hint").textContent = needed > 1 ? `${needed} people must agree before somebody counts as found.` : "";
      this.list(cases);
    } catch (error) {
      if (id !== this.id) return;
      part("cases-list").replaceChildren(element("li", { className: "message is-problem" }, ...problem(error, () => void this.show(id))));
      return;
    }
    if (id) await this.showFile(id);
  }

  /** Show nobody; what is half written stays. */
  clear() {
    part("case-file").hidden = true;
    part("case-people").replaceChildren();
  }

  /** Show the file of a case, or beside the list why it is not shown. */
  async showFile(id) {
    const closed = this.whyNot(id);
    if (closed) return this.trouble([element("p", {}, closed)], "");
    try {
      const file = await fetchCase(id);
      if (id !== this.id) return;
      this.trouble([]);
      this.draw(file);
      this.page.work.take(file);
    } catch (error) {
      if (id === this.id) this.trouble(problem(error, () => void this.showFile(id)));
    }
  }

  whyNot(id) {
    const { work } = this.page;
    if (!this.open.has(id)) return `The case ${id} is not open to you. The file of a closed one is kept: cskt case report ${id} --to FILE writes it where the service runs.`;
    if (!work.searches) return "The files of cases are open to keys with the scope search; this key opens and closes cases.";
    if (work.inCasework && id !== work.case) return "In casework the file is open to whoever works on the case: choose “Work on this case” in the list.";
    return "";
  }

  trouble(content, kind = "message-row") {
    part("case-trouble").className = kind;
    part("case-trouble").replaceChildren(...content);
  }

  list(cases) {
    part("cases-list").replaceChildren(...(cases.length ? cases.map((one) => this.row(one)) : [element("li", { className: "message" }, ...emptyCases(this.mayOpen))]));
  }

  row(one) {
    const link = element("a", { href: `?view=cases&case=${encodeURIComponent(one.id)}` }, one.id);
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.go(one.id);
    });
    if (one.id === this.id) link.setAttribute("aria-current", "true");
    const until = `open until ${minuteTime(one.expires)}${one.cameras ? ` · cameras ${one.cameras.join(", ")}` : ""}`;
    return element("li", { className: "case-row" }, link, element("span", {}, one.basis), element("small", {}, until), element("div", { className: "row" }, ...this.ways(one.id)));
  }

  /** What can be done with a case without opening its file. */
  ways(id) {
    const way = (label, act) => {
      const button = element("button", { type: "button", className: "secondary small", "aria-label": `${label}: ${id}` }, label);
      button.addEventListener("click", act);
      return button;
    };
    const { work } = this.page;
    const ways = [];
    if (work.case === id) ways.push(element("span", { className: "tag" }, "You work on this case"));
    else if (work.searches) ways.push(way("Work on this case", () => this.page.workOn(id)));
    if (this.mayOpen) ways.push(way("Close the case", () => void this.close(id)));
    return ways;
  }

  go(id, told = "") {
    history.pushState(null, "", id ? `?view=cases&case=${encodeURIComponent(id)}` : "?view=cases");
    return this.show(id, told);
  }

  /** There is a newer file: show it where it is the one on the page. */
  taken(file) {
    if (file.id !== this.id || part("case-file").hidden) return;
    if ([...file.pins, ...file.findings].some(({ missing }) => missing === "unasked")) void this.showFile(this.id);
    else this.draw(file);
  }

  draw(file) {
    part("case-file").hidden = false;
    part("case-title").textContent = `Case ${file.id}`;
    part("case-basis").textContent = `${file.basis} · opened ${longTime(file.opened)} · until ${longTime(file.expires)}`;
    const withheld = file.withheld ? [element("p", { className: "hint" }, `${file.withheld} more ${file.withheld === 1 ? "is" : "are"} of people whom your key or this case may not see.`)] : [];
    part("case-people").replaceChildren(...this.findings(file), ...this.pins(file), ...withheld);
    part("case-notes").replaceChildren(...file.notes.map((note) => element("li", {}, element("p", {}, note.words), element("small", {}, `${note.by}, ${shortTime(note.at)}`))));
  }

  findings(file) {
    return Object.entries(STATES).flatMap(([state, title]) => {
      const found = file.findings.filter((one) => one.state === state);
      if (!found.length) return [];
      const cards = found.map((one) => this.person(one, [`searched by: ${inFull(one)}`, ...one.decisions.map(toldBy), ...one.earlier.toReversed().map((said) => `before that, ${toldBy(said)}`)], this.verdicts(one)));
      return [element("h3", {}, title), element("ul", { className: "people" }, ...cards)];
    });
  }

  /** Who is pinned and was not decided on: each person stands in the file once. */
  pins(file) {
    const who = ({ id, missing }) => `${id} ${missing}`; // a number may have come to mean another person in between
    const decided = new Set(file.findings.map(who));
    const pins = file.pins.filter((one) => !decided.has(who(one)));
    if (!pins.length) return file.findings.length ? [] : [element("p", { className: "hint" }, "Nobody is pinned yet. Work on this case, search, and pin who could be the person.")];
    const cards = pins.map((pin) => {
      const off = element("button", { type: "button", className: "secondary small" }, "Take off");
      off.addEventListener("click", () => void this.write({ kind: "unpin", item: pin.id }));
      return this.person(pin, [pin.query ? `found by: ${inFull(pin)}` : "", `pinned by ${pin.by}, ${shortTime(pin.at)}`], [off]);
    });
    return [element("h3", {}, "Pinned"), element("ul", { className: "people" }, ...cards)];
  }

  person(one, lines, buttons) {
    const { item } = one;
    const open = element("button", { type: "button", className: "person-open", "aria-label": `Open number ${one.id}`, disabled: item === null }, item ? picture(item, { width: 96, height: 192, loading: "lazy" }) : MISSING[one.missing] ?? MISSING.gone);
    if (item) open.addEventListener("click", () => this.page.show(item, { query: one.query, asked: one.asked }));
    const where = item ? [item.camera ?? "No camera", item.seen_at ? shortTime(item.seen_at) : "No time"] : [];
    return element(
      "li",
      {},
      open,
      element("strong", {}, `No. ${one.id}`),
      ...[...where, ...lines, one.checked ? "" : UNCHECKED].filter(Boolean).map((line) => element("span", {}, line)),
      element("div", { className: "person-buttons" }, ...buttons),
    );
  }

  verdicts(finding) {
    return Object.entries({ same: "Same", not: "Not", unsure: "Unsure" }).map(([verdict, label]) => {
      const mine = finding.decisions.some((said) => said.mine && said.verdict === verdict);
      const button = element("button", { type: "button", className: "secondary small", "aria-pressed": String(mine), "aria-label": `${label}: number ${finding.id}, searched by ${inFull(finding)}` }, label);
      button.addEventListener("click", () => void this.write({ kind: "decision", item: finding.id, query: finding.query, asked: finding.asked, verdict }));
      return button;
    });
  }

  async write(entry) {
    const { id } = this;
    const focused = document.activeElement?.getAttribute("aria-label");
    try {
      const file = await addEntry(id, entry);
      this.page.work.take(file);
      if (id !== this.id) return true;
      this.draw(file);
      part("case-told").textContent = "";
      if (focused && document.activeElement === document.body) part("case-people").querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus(); // it was drawn anew
      return true;
    } catch (error) {
      if (id === this.id) this.complain(error);
      return false;
    }
  }

  async note(event) {
    event.preventDefault();
    const [place, button] = [part("note-words"), part("note-form").querySelector("button")];
    const [written, { id }] = [place.value, this];
    if (!written.trim()) return;
    button.disabled = true;
    if (await this.write({ kind: "note", words: written.trim() })) {
      if (id === this.id && place.value === written) place.value = "";
      if (kept(DRAFT + id) === written) keep(DRAFT + id, "");
    }
    button.disabled = false;
  }

  async begin(event) {
    event.preventDefault();
    const { id, basis, days } = Object.fromEntries(new FormData(part("case-form")));
    part("case-problem").textContent = "";
    try {
      await openCase({ id, basis, days: Number(days) });
      part("case-form").reset();
      const { work } = this.page;
      if (work.searches && !work.inCasework) await work.on(id);
      await this.go(id, `The case ${id} is open.`);
    } catch (error) {
      part("case-problem").textContent = reasonOf(error);
    }
  }

  async report() {
    try {
      save(await fetchReport(this.id), `case-${this.id.replaceAll(/[^\w.-]/g, "_")}.html`);
    } catch (error) {
      this.complain(error);
    }
  }

  async close(id) {
    const first = this.page.work.searches ? "Print its report first; afterwards" : "Its file is kept;";
    if (!confirm(`Close the case ${id}? Nobody is shown for it any more. ${first} cskt case report writes it where the service runs.`)) return;
    try {
      await closeCase(id);
      if (this.page.work.case === id) await this.page.work.on("");
      await this.go("", `The case ${id} is closed: nobody is shown for it any more.`);
    } catch (error) {
      part("cases-told").textContent = reasonOf(error);
    }
  }

  complain(error) {
    part("case-told").textContent = reasonOf(error);
  }
}
