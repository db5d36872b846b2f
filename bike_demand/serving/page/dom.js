// Elements from data. Text is always text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

/** Put attributes on an element; `on...` are listeners, `null` and `false` leave one out. */
function dress(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

/** An HTML element; children are nodes or text, `null` is left out. */
export function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  dress(element, attributes);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The same in SVG. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  dress(element, attributes);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const find = (id) => document.getElementById(id);

/**
 * Put other children into a panel that someone may be using: what was unfolded stays so, what had
 * the focus has it, what was scrolled stands where it stood.
 */
export function refill(panel, children) {
  const held = panel.contains(document.activeElement) ? road(document.activeElement, panel) : null;
  const unfolded = [...panel.querySelectorAll("details")].map((each) => each.open);
  const scrolled = [...panel.querySelectorAll(".scroll")].map((each) => each.scrollTop);
  panel.replaceChildren(...children.filter(Boolean));
  panel.querySelectorAll("details").forEach((each, index) => {
    each.open = unfolded[index] ?? false;
  });
  panel.querySelectorAll(".scroll").forEach((each, index) => {
    each.scrollTop = scrolled[index] ?? 0;
  });
  if (held) panel.querySelector(held)?.focus({ preventScroll: true });
}

function road(element, panel) {
  if (element.dataset.hold) return `[data-hold="${CSS.escape(element.dataset.hold)}"]`;
  const alike = [...panel.querySelectorAll(element.localName)];
  return alike.length === 1 ? element.localName : null;
}
