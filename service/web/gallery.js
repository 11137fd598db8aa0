// What the gallery holds and how it grows: counts, encoder, index jobs as they run, rejected files, pictures dropped in.

import { Adding } from "./adding.js";
import { fetchGallery, fetchJobs, fetchRejected, reasonOf } from "./api.js";
import { element } from "./element.js";
import { problem } from "./messages.js";
import { counted } from "./search.js";
import { longTime, shortTime } from "./times.js";

const POLL_MS = 1000;
const FAILED = 3; // looks in a row after which it is said
const LOOKS_AFTER = 3; // the service counts anew about a second after something came
const part = (id) => document.getElementById(id);

export class GalleryView {
  /** @param {{session: () => object | null, known: () => Promise<void>, added: () => void}} page */
  constructor(page) {
    this.page = page;
    this.timer = null;
    this.looks = 0; // how often the counts are to be looked at again
    this.adding = new Adding(() => {
      page.added();
      return this.look();
    });
  }

  /** Show it, and keep what moves up to date until `stop`. */
  async show() {
    this.stop();
    this.timer = setInterval(() => void this.follow(), POLL_MS);
    void this.offer();
    await this.look();
    await this.follow();
  }

  /** Offer to add pictures, once it is known who asks and whether they may. */
  async offer() {
    await this.page.known();
    const may = this.page.session()?.scopes.includes("index") ?? true;
    part("drop").hidden = !may;
    part("drop-hint").hidden = may;
  }

  /** Nobody looks any more. */
  stop() {
    clearInterval(this.timer);
    this.timer = null;
  }

  async look() {
    try {
      const [gallery, { rejected }] = await Promise.all([fetchGallery(), fetchRejected()]);
      this.items = gallery.items;
      part("gallery-trouble").replaceChildren();
      this.draw(gallery);
      this.drawRejected(rejected);
    } catch (error) {
      part("gallery-trouble").replaceChildren(...problem(error, () => void this.look()));
    }
  }

  async follow() {
    if (document.hidden) return;
    try {
      const { jobs } = await fetchJobs();
      const counts = jobs.map((job) => `${job.source} ${job.started} ${job.new} ${job.state}`).join();
      this.drawJobs(jobs);
      if (this.seen !== undefined && counts !== this.seen) this.looks = LOOKS_AFTER;
      this.seen = counts;
      if (this.looks-- > 0) await this.look();
      if (this.failed >= FAILED) part("gallery-trouble").replaceChildren();
      this.failed = 0;
    } catch (error) {
      this.failed = (this.failed ?? 0) + 1; // once may pass
      if (this.failed === FAILED) part("gallery-trouble").replaceChildren(element("p", { className: "hint", role: "status" }, `This is not up to date: ${reasonOf(error)}`));
    }
  }

  draw(gallery) {
    const facts = [
      ["Images", gallery.items.toLocaleString("en")],
      ["Rejected files", gallery.rejected.toLocaleString("en")],
      ["Last indexed", gallery.last_indexed ? longTime(gallery.last_indexed) : "Never"],
      ["Seen", gallery.first_seen ? `${longTime(gallery.first_seen)} – ${longTime(gallery.last_seen)}` : "No times known"],
      ["Encoder", `${gallery.encoder} (${gallery.fingerprint.slice(0, 12)}, ${gallery.dimension} numbers an image)`],
      ["Generation", gallery.generation === null ? "None yet" : `${gallery.generation}${gallery.fresh ? `, and ${counted(gallery.fresh, "newer image")}` : ""}`],
      ["Index", `${gallery.index_kind ?? ""}: ${gallery.index ?? ""}`],
      ["On disk", gallery.bytes_on_disk === null ? "" : megabytes(gallery.bytes_on_disk)],
    ];
    const withheld = this.page.session()?.cameras ? ["Rejected files", "Last indexed", "Seen"] : []; // from whom may see some cameras only
    const known = facts.filter(([name, value]) => value && value !== ": " && !withheld.includes(name));
    part("gallery-list").replaceChildren(...known.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
    const unnamed = gallery.items - Object.values(gallery.cameras).reduce((sum, count) => sum + count, 0);
    part("gallery-cameras").replaceChildren(...bars(gallery.cameras), ...bars(unnamed > 0 ? { "No camera": unnamed } : {}));
    part("gallery-sources").replaceChildren(...bars(gallery.sources));
  }

  drawRejected(rejected) {
    part("rejected-box").hidden = rejected.length === 0;
    part("rejected").replaceChildren(...rejected.map((one) => element("li", {}, element("strong", {}, one.name), element("span", {}, one.reason), element("small", {}, one.source))));
  }

  drawJobs(jobs) {
    part("jobs-box").hidden = jobs.length === 0;
    part("jobs").replaceChildren(...jobs.map(jobRow));
  }
}

function jobRow(job) {
  const share = job.total ? Math.min(1, job.done / job.total) : null;
  const bar = element("progress", { max: 1, "aria-label": `Progress of ${job.source}` });
  if (share !== null) bar.value = share;
  const count = job.total ? `${job.done.toLocaleString("en")} of ${counted(job.total, "image")}` : counted(job.done, "image");
  const left = job.state === "running" && job.total && job.rate ? `, ${duration((job.total - job.done) / job.rate)} left` : "";
  const rate = job.state === "running" && job.rate ? `, ${job.rate.toFixed(0)} a second${left}` : "";
  return element(
    "li",
    { className: `job is-${job.state}` },
    element("strong", {}, job.source),
    element("span", {}, `${job.state}: ${count}${rate}`),
    ...(job.state === "running" ? [bar] : []),
    element("small", {}, `${job.new} new, ${job.known} known, ${job.removed ? `${job.removed} removed for good and left out, ` : ""}${job.rejected} rejected · begun ${shortTime(job.started)}`),
  );
}

function bars(counts) {
  const most = Math.max(1, ...Object.values(counts));
  return Object.entries(counts).map(([name, count]) => {
    const fill = element("span", { className: "bar-fill" });
    fill.style.setProperty("--share", String(count / most));
    return element("li", {}, element("span", { className: "bar-name" }, name), element("span", { className: "score-bar", "aria-hidden": "true" }, fill), element("span", { className: "count" }, count.toLocaleString("en")));
  });
}

function megabytes(bytes) {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
