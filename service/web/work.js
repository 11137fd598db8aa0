// Who asks, and the case that is worked on: with a key the session says which, without one this tab keeps it.

import { addEntry, changeSession, currentCase, fetchCase, fetchCases, fetchSession, reasonOf, workOn } from "./api.js";
import { beginAnew, isSomebodyElses } from "./signin.js";
import { OUTCOMES } from "./states.js";

/** Whether an entry still means the row that has its number now. */
const isSame = (one) => one.missing !== "another";

export class Work {
  /**
   * @param {{changed: (another: boolean) => void, taken: (file: object) => void, lost: (sentence: string) => void}} page
   *   changed: it is known who asks, or the case is another one; `another`: and there was one before. taken: there is a newer file of the case.
   */
  constructor(page) {
    this.page = page;
    this.session = null;
    this.file = null; // of the case that is worked on, once it is there
    this.chosen = this.choosing = 0; // how often a case was chosen here; how often that is under way
    this.last = ""; // the case that was worked on last
    this.read = Promise.resolve(); // once that file was read
  }

  /**
   * Ask who one is, and again now and then: elsewhere somebody may sign in or choose another case. False where the
   * page begins anew, because this tab holds the work of somebody else.
   */
  async look() {
    if (this.choosing) return true; // then it is not another tab that changes the case
    const { session: before, chosen } = this;
    const session = await fetchSession();
    if (chosen !== this.chosen) return true;
    if (isSomebodyElses(session.key)) {
      beginAnew();
      return false;
    }
    this.session = session;
    if (session.case === before?.case) return true;
    this.read = this.changed().catch(() => {}); // it may pass
    if (before?.case && this.inCasework) this.page.lost(`The case ${before.case} is over, or another tab left it.`);
    return true;
  }

  /** Leave a case that was closed meanwhile. */
  async check() {
    const id = this.case;
    const { cases } = await fetchCases();
    if (id === this.case && !cases.some((one) => one.id === id)) await this.lose(id);
  }

  /** The id of the case, or "". */
  get case() {
    if (!this.session) return "";
    return this.session.needs_key ? this.session.case : currentCase();
  }

  /** Whether nobody is shown without a case. */
  get inCasework() {
    return this.session?.profile === "casework";
  }

  /** Whether this key may look at people. */
  get searches() {
    return Boolean(this.session?.scopes.includes("search"));
  }

  /** Work on a case from now on, "" for none. Throws a Problem where that is not open to this key. */
  async on(id, purpose = "") {
    this.chosen += 1;
    this.choosing += 1;
    try {
      if (this.session?.needs_key) {
        await changeSession({ case: id, purpose });
        this.session = await fetchSession(); // the case may narrow what is seen
      } else workOn(id);
    } finally {
      this.choosing -= 1;
    }
    await this.changed();
  }

  async changed() {
    const id = this.case;
    const another = Boolean(id && this.last && id !== this.last);
    if (id) this.last = id;
    this.file = null;
    this.page.changed(another);
    await this.refresh();
  }

  /** Read the file. A case that is not open any more is left; whatever else goes wrong may pass. */
  async refresh() {
    const id = this.case;
    if (!id || !this.searches) return;
    try {
      this.take(await fetchCase(id, false));
    } catch (error) {
      if (id !== this.case || ![403, 404].includes(error.status)) return;
      await this.lose(id);
    }
  }

  async lose(id) {
    await this.on("");
    this.page.lost(`The case ${id} is not open to you any more.`);
  }

  /** Pin somebody, or take the pin off; returns what came of it in a sentence. */
  async pin(id, asked) {
    const off = this.pinned.has(id);
    const told = await this.write(off ? { kind: "unpin", item: id } : { kind: "pin", item: id, ...asked });
    return told || (off ? `Number ${id} is not pinned any more.` : `Number ${id} is pinned to the case ${this.case}.`);
  }

  /** Say whether somebody is the person of the words; returns what came of it in a sentence. */
  async decide(id, asked, verdict) {
    const told = await this.write({ kind: "decision", item: id, verdict, ...asked });
    if (told) return `Not kept: ${told}`;
    return `Kept. ${OUTCOMES[this.finding(id, asked)?.state] ?? ""}`;
  }

  /** Write a line into the file; returns "" or why it was not written. */
  async write(entry) {
    try {
      this.take(await addEntry(this.case, entry, false));
      return "";
    } catch (error) {
      return reasonOf(error);
    }
  }

  take(file) {
    if (file.id !== this.case) return;
    this.file = file;
    this.page.taken(file);
  }

  /** The ids of who is pinned. */
  get pinned() {
    return new Set((this.file?.pins ?? []).filter(isSame).map(({ id }) => id));
  }

  /** What one decided oneself on somebody, for what was asked; null: nothing. */
  verdict(id, asked) {
    return this.finding(id, asked)?.decisions.find((said) => said.mine)?.verdict ?? null;
  }

  finding(id, asked) {
    return this.file?.findings.find((one) => isSame(one) && one.id === id && one.query === asked.query && one.asked === asked.asked);
  }
}
