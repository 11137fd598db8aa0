// What the page says when there are no hits to show: nothing found, an error, an empty gallery.

import { element, icon } from "./element.js";

const MANY_WORDS = 12;

/** Nothing in the gallery passes the filters (a ranking itself always finds somebody). */
export function nothingFound(filtered, cameras, onClear) {
  if (!filtered) return message("person", "Nothing found", "No image in this gallery could be ranked for these words.");
  const button = element("button", { type: "button", className: "secondary" }, "Search without filters");
  button.addEventListener("click", onClear);
  const whose = cameras ? `No image of the cameras open to you (${cameras.join(", ")})` : "No image in this gallery";
  return message("person", "Nothing found", `${whose} passes the chosen cameras, times and attributes.`, button);
}

/** There may be images, and none of them may be seen. */
export function noneOpen(cameras) {
  return message("person", "No image is open to you", `Your key or this case may see these cameras only: ${cameras.join(", ")}. The gallery holds no image of them.`);
}

/** The search was for a picture that only another tab has. */
export function lostPicture() {
  return message("picture", "The picture is not here", "This address means a picture, but addresses do not hold pictures. Add it again, or describe the person.");
}

/** There is no open case. */
export function emptyCases(mayOpen) {
  return message("list", "No open case", mayOpen ? "Open one below to pin people, note what you see and decide who it is." : "Ask whoever gives out keys to open one for you.");
}

/** The gallery holds no image yet. */
export function emptyGallery() {
  const command = element("pre", { className: "command", tabIndex: 0 }, element("code", {}, "cskt index FOLDER --gallery GALLERY"));
  const after = element("p", {}, "A running service takes up new images by itself.");
  const link = element("p", {}, "Single crops can be dropped into the ", element("a", { href: "?view=gallery" }, "gallery view"), ".");
  return message("person", "This gallery is empty", "Put a folder of images, a manifest or a video into it first:", command, after, link);
}

/** A Problem from api.js, with a way to try again. */
export function problem(error, onRetry) {
  const button = element("button", { type: "button", className: "primary", id: "retry" }, "Try again");
  button.addEventListener("click", onRetry);
  const choose = element("button", { type: "button", className: "primary", "data-choose-case": "" }, "Choose a case");
  const ways = error.needsCase ? [choose] : error.worthRetrying ? [button] : [];
  const shown = message("warning", error.title, error.message, ...ways);
  shown[1].setAttribute("role", "alert");
  return shown;
}

/** Nobody reaches the threshold: said above the nearest ones, with what could be tried. */
export function notConvincing({ false_alarm_rate: rate, threshold, calibrated_on: people }, filtered, words) {
  const rule = `A hit convinces from ${Math.ceil(100 * threshold)} % on: then of searches for people who are not there ${100 * rate} % at most find somebody. Measured on ${people}.`;
  const how = element("details", {}, element("summary", {}, "How likely is likely enough?"), element("p", {}, rule));
  const said = words > MANY_WORDS ? "Nobody stands out for all these words; the nearest are shown. Leave out what is uncertain" : "Nobody stands out: many may fit so few words, or nobody does. The nearest are shown. Say more of what can be seen";
  const shown = notice(`${said}${filtered ? ", or choose fewer filters" : ""}.`);
  shown.classList.add("not-convincing");
  shown.querySelector("span").prepend(element("strong", {}, "No convincing match. "));
  shown.querySelector("span").append(how);
  return shown;
}

/** Nobody answered: said above hits that are still there. */
export function unanswered(error, onRetry) {
  const button = element("button", { type: "button", className: "secondary small", id: "retry" }, "Try again");
  button.addEventListener("click", onRetry);
  const shown = notice(`${error.title}. ${error.message} Below are still the hits of the search before.`);
  shown.setAttribute("role", "alert");
  shown.append(button);
  return shown;
}

/** One line above the hits. */
export function notice(text) {
  return element("p", { className: "notice" }, icon("note"), element("span", {}, text));
}

function message(symbol, title, detail, ...more) {
  return [
    icon(symbol, "message-icon"),
    element("div", {}, element("h2", {}, title), element("p", {}, detail)),
    ...more,
  ];
}
