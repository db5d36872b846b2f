// The legend of the map: every kind of mark, and how many stations wear it.

import { html, svg } from "./dom.js";
import { dayAndClock } from "./words.js";

// What a view shows now, of counts that are old, and of an hour ahead.
const VIEWS = {
  bikes: { now: "Bikes now", old: "Latest bikes", ahead: "Bikes expected" },
  empty: { now: "No bikes now", old: "No bikes in the latest count", ahead: "Risk of no bikes" },
  full: {
    now: "No free dock now",
    old: "No free dock in the latest count",
    ahead: "Risk of no free dock",
  },
};

/** What a view (`bikes`, `empty` or `full`) is called at an hour [ms], null for now. */
export const viewName = (view, at, old) => VIEWS[view][at ? "ahead" : old ? "old" : "now"];

/**
 * Fill the legend.
 *
 * @param {HTMLElement} place where
 * @param {{view: string, kinds: object[], counts: Map, at: ?number, old: boolean,
 *   zone: string}} data `kinds` as of `scales.marks`, how many stations wear each, the hour shown
 *   [ms], null for now, and whether what was counted is old
 */
export function showLegend(place, { view, kinds, counts, at, old, zone }) {
  const words = viewName(view, at, old);
  const rows = kinds
    .filter((kind) => counts.get(kind.key) || !["closed", "unknown"].includes(kind.key))
    .reverse()
    .map((kind) =>
      html(
        "li",
        {},
        swatch(kind),
        html("span", {}, kind.words),
        html("b", {}, (counts.get(kind.key) ?? 0).toLocaleString("en-GB")),
      ),
    );
  place.setAttribute("aria-label", `Legend: ${words}`);
  place.replaceChildren(
    html("h2", {}, words, at ? html("span", {}, dayAndClock(at, zone)) : null),
    html("ul", {}, rows),
  );
}

function swatch({ shape, size, colour }) {
  const radius = 4 + 2.4 * Math.min(size, 1.2);
  const circle = (r, looks) => svg("circle", { cx: 9, cy: 9, r, ...looks });
  const filled = { fill: colour };
  const line = (width) => ({ fill: "none", stroke: colour, "stroke-width": width });
  const drawn = {
    cross: () => [svg("path", { d: "m6 6 6 6m0-6-6 6", ...line(1.6) })],
    ring: () => [circle(radius - 1, line(2.4))],
    target: () => [circle(radius - 3, filled), circle(radius - 0.7, line(1.4))],
    disc: () => [circle(radius, filled)],
  };
  return svg(
    "svg",
    { viewBox: "0 0 18 18", width: 18, height: 18, "aria-hidden": "true" },
    ...drawn[shape](),
  );
}
