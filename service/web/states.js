// What decisions on somebody come to, in words: as a heading of the file, and in passing. The printed report
// (service/printed) has the same headings, but for `hidden`.

/** Headings, in the order of the file. */
export const STATES = {
  hidden: "Look for yourself: what others decided is shown once you have decided",
  confirmed: "Confirmed as the person searched for",
  "one more": "Another person has to look",
  disputed: "Disputed: people disagree",
  not: "Not the person searched for",
  unsure: "Unsure",
};

/** What is said to whoever has just decided: so nothing is hidden. */
export const OUTCOMES = {
  confirmed: `${STATES.confirmed}.`,
  "one more": `${STATES["one more"]} before it counts.`,
  disputed: "People disagree on this one now: it counts as not found.",
  not: `${STATES.not}.`,
  unsure: "Nobody is sure yet.",
};

export const VERDICTS = { same: "same person", not: "not the person", unsure: "unsure" };
