// Pictures that are added to the gallery: every file that was chosen is accounted for.

import { reasonOf, upload } from "./api.js";
import { element } from "./element.js";
import { base64 } from "./pictures.js";
import { counted } from "./search.js";
import { fromField } from "./times.js";

const AT_ONCE = 16;
const MEGABYTE = 1024 * 1024;
const MOST_BYTES = 10 * MEGABYTE; // of one picture
const BATCH_BYTES = 40 * MEGABYTE; // as base64 they are a third more, and the service takes 64 MB at once

const part = (id) => document.getElementById(id);

export class Adding {
  /** @param {() => Promise<void>} added called when the gallery has grown */
  constructor(added) {
    this.added = added;
    this.held = []; // files that are to be added
    this.busy = false;
    part("drop-files").addEventListener("change", () => {
      this.hold([...part("drop-files").files]);
      part("drop-files").value = "";
    });
    part("drop-add").addEventListener("click", () => void this.add());
    part("drop-away").addEventListener("click", () => {
      this.held = [];
      this.offer("");
    });
  }

  /** Take files up; they are added when it is said so, with camera and time. */
  hold(files) {
    this.held.push(...files);
    this.offer("Say camera and time if you know them: they hold for all of these pictures. Then add them.");
    if (!this.busy) part("drop-add").focus();
  }

  offer(told) {
    part("drop-told").textContent = told;
    part("drop-held").hidden = this.busy || !this.held.length;
    part("drop-add").textContent = `Add ${counted(this.held.length, "picture")}`;
  }

  /** Add what is held, and say what became of each; what did not get through is held again. */
  async add() {
    const files = this.held;
    const facts = { camera: part("drop-camera").value.trim() || null, seen_at: fromField(part("drop-time").value) || null };
    [this.held, this.busy] = [[], true];
    this.offer("");
    part("drop-reasons").replaceChildren();
    const outcomes = await addPictures(files, facts, (begun) => (part("drop-told").textContent = `Adding ${begun} of ${files.length} …`));
    const count = (...wanted) => outcomes.filter(({ status }) => wanted.includes(status)).length;
    this.busy = false;
    this.held.push(...outcomes.filter(({ status }) => status === "failed").map(({ file }) => file));
    this.offer(`${counted(count("stored"), "image")} added, ${count("known")} known already, ${count("rejected", "failed")} not used.`);
    part("drop-reasons").replaceChildren(...reasonsOf(outcomes).map((reason) => element("li", {}, reason)));
    if (count("stored")) await this.added();
  }
}

/**
 * Add files, some at a time; an outcome for each: "stored", "known", "rejected" or (it may be tried again) "failed", and the
 * reason of that.
 * @param {File[]} files
 * @param {{camera: string | null, seen_at: string | null}} facts of all of them
 * @param {(begun: number) => void} onProgress
 */
async function addPictures(files, facts, onProgress) {
  const outcomes = files.filter(unfit).map((file) => ({ file, status: "rejected", reason: unfit(file) }));
  for (const batch of batches(files.filter((file) => !unfit(file)))) {
    onProgress(outcomes.length + batch.length);
    try {
      const images = await Promise.all(batch.map(base64));
      const { items } = await upload(images.map((image) => ({ image, ...facts })));
      items.forEach((item, place) => outcomes.push({ file: batch[place], ...became(item) }));
    } catch (error) {
      outcomes.push(...batch.map((file) => ({ file, status: "failed", reason: reasonOf(error) })));
    }
  }
  return outcomes;
}

/** The files that were not added, those of one reason together: "a.jpg, b.jpg: larger than 10 MB". */
function reasonsOf(outcomes) {
  const names = new Map();
  for (const { file, status, reason } of outcomes) {
    if (status !== "stored") names.set(reason, [...(names.get(reason) ?? []), file.name]);
  }
  return [...names].map(([reason, of]) => `${of.join(", ")}: ${reason}`);
}

/** Why a file is not even sent; null where it is. */
function unfit(file) {
  if (!file.type.startsWith("image/")) return "not a picture; take JPEG, PNG or WebP";
  return file.size > MOST_BYTES ? "larger than 10 MB" : null;
}

/** A known picture that has a reason is one that was taken out of the gallery. */
function became({ status, reason }) {
  if (status === "known") return reason ? { status: "rejected", reason } : { status, reason: "known already" };
  return { status, reason };
}

function batches(files) {
  const made = [];
  let bytes = Infinity; // of the last batch
  for (const file of files) {
    if (bytes + file.size > BATCH_BYTES || made.at(-1).length === AT_ONCE) {
      made.push([]);
      bytes = 0;
    }
    made.at(-1).push(file);
    bytes += file.size;
  }
  return made;
}
