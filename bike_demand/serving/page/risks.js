// The stations most at risk of no bikes, or of no free dock.

import { html, refill } from "./dom.js";
import { called, clock, distance, percent, relative } from "./words.js";

const LEAST = 0.05; // a list of what will hardly happen warns of nothing
export const MOST = 12;

/**
 * Fill the list.
 *
 * @param {HTMLElement} panel where
 * @param {{answer: ?object, zone: string, name: Function, open: Function, chosen: ?string, trouble: ?string}} data
 */
export function showRisks(panel, { answer, zone, name, open, chosen, trouble }) {
  if (!answer) {
    panel.replaceChildren(html("p", { class: "empty-list" }, trouble ?? "Loading…"));
    return;
  }
  const { kind, hours } = answer;
  const risks = answer.risks.filter((each) => each.probability >= LEAST);
  if (!risks.length) {
    const what = kind === "empty" ? "run out of bikes" : "fill up";
    panel.replaceChildren(
      html("p", { class: "empty-list" }, `No station is likely to ${what} within ${hours} h.`),
    );
    return;
  }
  const rows = risks.map((each) => {
    const at = Date.parse(each.target_at);
    const bar = html("i", { class: `meter ${kind}` });
    bar.style.setProperty("--share", String(each.probability));
    const near =
      each.neighbour_id !== null && each.neighbour_id !== undefined
        ? `${distance(each.neighbour_distance)} to ${name(each.neighbour_id)}${each.neighbour_shares ? ", also at risk" : ""}`
        : "no other station near";
    return html(
      "li",
      {},
      html(
        "button",
        {
          type: "button",
          class: "risk",
          "data-hold": each.station_id,
          "aria-current": each.station_id === chosen ? "true" : null,
          onclick: () => open(each.station_id),
        },
        html("span", { class: "name" }, called(each)),
        html("span", { class: "share" }, percent(each.probability)),
        bar,
        html("span", { class: "note" }, `${clock(at, zone)} · ${near}`),
        html("span", { class: "unseen" }, relative(at)),
      ),
    );
  });
  refill(panel, [html("ol", { class: "risk-list" }, rows)]);
}
