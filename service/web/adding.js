// Pictures that are added to the gallery: every file that was chosen is accounted for.

import { upload } from "./api.js";
import { base64 } from "./pictures.js";

const AT_ONCE = 16;
const MEGABYTE = 1024 * 1024;
const MOST_BYTES = 10 * MEGABYTE; // of one picture
const BATCH_BYTES = 40 * MEGABYTE; // as base64 they are a third more, and the service takes 64 MB at once

/**
 * Add files, some at a time; an outcome for each: its name, "stored", "known" or "rejected", and the reason of that.
 * @param {File[]} files
 * @param {{camera: string | null, seen_at: string | null}} facts of all of them
 * @param {(begun: number) => void} onProgress
 */
export async function addPictures(files, facts, onProgress) {
  const outcomes = files.filter(unfit).map((file) => outcome(file, "rejected", unfit(file)));
  for (const batch of batches(files.filter((file) => !unfit(file)))) {
    onProgress(outcomes.length + batch.length);
    try {
      const images = await Promise.all(batch.map(base64));
      const { items } = await upload(images.map((image) => ({ image, ...facts })));
      items.forEach(({ status, reason }, place) => outcomes.push(outcome(batch[place], ...became(status, reason))));
    } catch (error) {
      outcomes.push(...batch.map((file) => outcome(file, "rejected", error.message)));
    }
  }
  return outcomes;
}

/** The files that were not added, those of one reason together: "a.jpg, b.jpg: larger than 10 MB". */
export function reasonsOf(outcomes) {
  const names = new Map();
  for (const { name, status, reason } of outcomes) {
    if (status !== "stored") names.set(reason, [...(names.get(reason) ?? []), name]);
  }
  return [...names].map(([reason, of]) => `${of.join(", ")}: ${reason}`);
}

/** Why a file is not even sent; null where it is. */
function unfit(file) {
  if (!file.type.startsWith("image/")) return "not a picture; take JPEG, PNG or WebP";
  return file.size > MOST_BYTES ? "larger than 10 MB" : null;
}

function outcome(file, status, reason) {
  return { name: file.name, status, reason };
}

/** A known picture that has a reason is one that was taken out of the gallery. */
function became(status, reason) {
  if (status === "known") return reason ? ["rejected", reason] : ["known", "known already"];
  return [status, reason];
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
