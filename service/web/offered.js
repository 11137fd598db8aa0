// Pictures that are chosen, pasted or dropped: a query in the search, new images in the gallery view. A file that is
// dropped elsewhere is not taken, and the browser does not open it in place of the page.

import { takePicture } from "./pictures.js";
import { tell } from "./toast.js";

const part = (id) => document.getElementById(id);

/** @param {{ask: (picture: string) => void, add: (files: File[]) => void}} page what a picture is for in the two views */
export function listenToPictures(page) {
  const use = async (file) => {
    try {
      page.ask(await takePicture(file));
    } catch (error) {
      tell(error.message);
    }
  };
  part("picture-button").addEventListener("click", () => part("picture-file").click());
  part("picture-file").addEventListener("change", () => {
    const [file] = part("picture-file").files;
    part("picture-file").value = "";
    if (file) void use(file);
  });
  document.addEventListener("paste", (event) => {
    const file = firstPicture(event.clipboardData?.files ?? []);
    if (!file || taker() !== "search") return;
    event.preventDefault();
    void use(file);
  });
  listenToDrops((files) => {
    if (taker() === "search") void use(firstPicture(files) ?? files[0]);
    else if (taker() === "gallery") page.add(files);
    else tell("Pictures are taken in the search and in the gallery view.");
  });
}

function listenToDrops(take) {
  const mark = (over) => document.body.classList.toggle("over", over);
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return; // words that are dragged are the browser's business
    event.preventDefault();
    event.dataTransfer.dropEffect = taker() ? "copy" : "none";
    mark(Boolean(taker()));
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false)); // it left the window
  addEventListener("drop", (event) => {
    mark(false);
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    const files = [...event.dataTransfer.files];
    if (files.length) take(files);
  });
}

/** Which view takes pictures now: "search", "gallery" or "". */
function taker() {
  if (document.querySelector("dialog[open]")) return "";
  if (!part("results").hidden) return "search";
  return part("gallery-view").hidden || part("drop").hidden ? "" : "gallery";
}

function firstPicture(files) {
  return [...files].find(({ type }) => type.startsWith("image/"));
}
