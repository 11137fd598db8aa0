// What the gallery holds and how it grows: counts, encoder, index jobs as they run, rejected files, pictures dropped in.

import { fetchGallery, fetchJobs, fetchRejected, upload } from "./api.js";
import { element } from "./element.js";
import { problem } from "./messages.js";
import { counted } from "./search.js";
import { fromField, longTime, shortTime } from "./times.js";

const POLL_MS = 1000;
const LOOKS_AFTER = 3; // the service counts anew about a second after something came
const AT_ONCE = 16;
const MOST_BYTES = 10 * 1024 * 1024;
const part = (id) => document.getElementById(id);

export class GalleryView {
  /** @param {{session: () => object | null, added: () => void}} page */
  constructor(page) {
    this.page = page;
    this.timer = null;
    this.looks = 0; // how often the counts are to be looked at again
    const drop = part("drop");
    drop.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      void this.add([...event.dataTransfer.files]);
    });
    part("drop-files").addEventListener("change", () => {
      void this.add([...part("drop-files").files]);
      part("drop-files").value = "";
    });
  }

  /** Show it, and keep what moves up to date until `stop`. */
  async show() {
    this.stop();
    part("drop").hidden = !(this.page.session()?.scopes.includes("index") ?? true);
    this.timer = setInterval(() => void this.follow(), POLL_MS);
    await this.look();
    await this.follow();
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
      const counts = jobs.map((job) => `${job.source} ${job.started} ${job.new}`).join();
      this.drawJobs(jobs);
      if (this.seen !== undefined && counts !== this.seen) this.looks = LOOKS_AFTER;
      this.seen = counts;
      if (this.looks-- > 0) await this.look();
    } catch {
      // the next look a second later says what is wrong, if it stays so
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
    const known = facts.filter(([, value]) => value && value !== ": ");
    part("gallery-list").replaceChildren(...known.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
    part("gallery-cameras").replaceChildren(...bars(gallery.cameras));
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

  /** Add the files of pictures, a few at a time; each says what became of it. */
  async add(files) {
    const pictures = files.filter((file) => file.type.startsWith("image/"));
    const told = part("drop-told");
    if (!pictures.length) {
      told.textContent = "These are no pictures. Drop crops of people as JPEG, PNG or WebP.";
      return;
    }
    const counts = { stored: 0, known: 0, rejected: 0 };
    const reasons = [];
    for (let start = 0; start < pictures.length; start += AT_ONCE) {
      told.textContent = `Adding ${Math.min(start + AT_ONCE, pictures.length)} of ${pictures.length} …`;
      const batch = pictures.slice(start, start + AT_ONCE);
      try {
        await this.addBatch(batch, counts, reasons);
      } catch (error) {
        reasons.push(error.message);
        counts.rejected += batch.length;
      }
    }
    told.textContent = `${counted(counts.stored, "image")} added, ${counts.known} known already, ${counts.rejected} not used.`;
    part("drop-reasons").replaceChildren(...reasons.slice(0, 20).map((reason) => element("li", {}, reason)));
    this.page.added();
    await this.look();
  }

  async addBatch(batch, counts, reasons) {
    const camera = part("drop-camera").value.trim() || null;
    const seenAt = fromField(part("drop-time").value) || null;
    const small = batch.filter((file) => file.size <= MOST_BYTES);
    for (const file of batch.filter((one) => one.size > MOST_BYTES)) {
      counts.rejected += 1;
      reasons.push(`${file.name}: larger than 10 MB`);
    }
    if (!small.length) return;
    const images = await Promise.all(small.map(base64));
    const { items } = await upload(images.map((image) => ({ image, camera, seen_at: seenAt })));
    items.forEach((item, place) => {
      counts[item.status] += 1;
      if (item.status === "rejected") reasons.push(`${small[place].name}: ${item.reason}`);
    });
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
    element("small", {}, `${job.new} new, ${job.known} known, ${job.rejected} rejected · begun ${shortTime(job.started)}`),
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

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let start = 0; start < bytes.length; start += 32_768) text += String.fromCharCode(...bytes.subarray(start, start + 32_768));
  return btoa(text);
}
