// Builds page elements. Text enters as text nodes only, so no string out of a gallery can ever become markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * One element with properties and children. Names with a dash (aria-label, data-id) and `role` are set as attributes.
 * @param {string} tag
 * @param {Record<string, unknown>} properties
 * @param {...(Node | string | null)} children strings become text nodes; null is left out
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") node.setAttribute(name, String(value));
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** One of the symbols at the head of index.html, hidden from screen readers. */
export function icon(name, className = "icon") {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", className);
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  picture.append(use);
  return picture;
}
