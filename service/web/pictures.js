// Pictures as queries: made small in the browser (which also takes off what a camera wrote into them), kept for this
// tab only. Their names are hashes, so that an address can say which one is meant without holding it.

import { keep, kept } from "./kept.js";

const LONGEST_SIDE = 512;
const QUALITY = 0.9;
const PICTURE = "picture.";

/**
 * Take up the file of a picture; returns its name. Throws an Error with a sentence where it is none.
 * @param {Blob} file
 */
export async function takePicture(file) {
  const url = await reduced(file);
  const bytes = new TextEncoder().encode(url);
  const name = hashed(bytes);
  keep(PICTURE + name, url);
  return name;
}

/** The data URL of a picture, or null where this tab does not know it. */
export function pictureUrl(name) {
  return kept(PICTURE + name);
}

/** The picture of a name as base64, or null where this tab does not know it. */
export function pictureBase64(name) {
  return pictureUrl(name)?.split(",")[1] ?? null;
}

/** A file as base64. */
export async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let start = 0; start < bytes.length; start += 32_768) text += String.fromCharCode(...bytes.subarray(start, start + 32_768));
  return btoa(text);
}

async function reduced(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("This file is no picture that the browser can read. Take a JPEG, PNG or WebP.");
  }
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.toDataURL("image/jpeg", QUALITY);
}

/** Sixteen hexadecimal digits of FNV-1a, twice: a name, no secret; crypto.subtle is missing on plain http. */
function hashed(bytes) {
  let [one, other] = [0x811c9dc5, 0x01000193];
  for (const byte of bytes) {
    one = Math.imul(one ^ byte, 0x01000193);
    other = Math.imul(other ^ byte ^ 0x5a, 0x01000193);
  }
  return [one, other].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}
