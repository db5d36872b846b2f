// How far to trust it: last week's forecasts beside what came, the data's age, and the model.

import { html, refill } from "./dom.js";
import {
  clock,
  counted,
  date,
  dateAndClock,
  dayAndClock,
  number,
  percent,
  relative,
} from "./words.js";

const SHOWN = [1, 3, 6, 12, 24];

const SERVED = new Set(["champion", "simple"]); // the others are only compared

/** What was served at a horizon, of whichever model: means over all rows that came due. */
export function pooled(horizons) {
  const found = new Map();
  for (const each of horizons) {
    if (!each.rows || !SERVED.has(each.role)) continue;
    const sum = found.get(each.horizon) ?? {
      horizon: each.horizon,
      rows: 0,
      mae: 0,
      persistence: 0,
      inside: 0,
      insideRows: 0,
      observed: 0,
      forecast: 0,
    };
    sum.rows += each.rows;
    sum.mae += each.rows * each.mae;
    sum.persistence += each.rows * each.persistence_mae;
    sum.observed += each.rows * each.observed_empty;
    sum.forecast += each.rows * each.forecast_empty;
    if (each.coverage_80 !== null) {
      sum.inside += each.rows * each.coverage_80;
      sum.insideRows += each.rows;
    }
    found.set(each.horizon, sum);
  }
  return [...found.values()]
    .sort((one, other) => one.horizon - other.horizon)
    .map((sum) => ({
      horizon: sum.horizon,
      rows: sum.rows,
      mae: sum.mae / sum.rows,
      persistence: sum.persistence / sum.rows,
      coverage: sum.insideRows ? sum.inside / sum.insideRows : null,
      observed: sum.observed / sum.rows,
      forecast: sum.forecast / sum.rows,
    }));
}

/** @param {{accuracy: ?object, model: ?object, head: ?object, observedAt: ?number, zone: string, trouble: boolean}} data */
export function showTrust(panel, { accuracy, model, head, observedAt, zone, trouble }) {
  const rows = accuracy ? pooled(accuracy.horizons) : null;
  refill(panel, [
    rows
      ? (lastWeek(rows) ?? tested(model))
      : html("p", { class: "empty-list" }, trouble ? "Not known at the moment." : "Loading…"),
    facts(model, head, observedAt, zone),
    model?.events.length ? events(model.events, zone) : null,
  ]);
}

function lastWeek(all) {
  const rows = all.filter((each) => SHOWN.includes(each.horizon));
  if (!rows.length) return null;
  const most = Math.max(...rows.flatMap((each) => [each.mae, each.persistence])) || 1;
  // Where nothing has changed all week, nothing can be better.
  const better = rows.map((each) => (each.persistence ? 1 - each.mae / each.persistence : null));
  const total = all.reduce((sum, each) => sum + each.rows, 0);
  const mean = (field) => {
    const known = all.filter((each) => each[field] !== null);
    const count = known.reduce((sum, each) => sum + each.rows, 0);
    return count ? known.reduce((sum, each) => sum + each.rows * each[field], 0) / count : null;
  };
  const body = rows.map((each, index) => {
    const bars = html(
      "div",
      { class: "pair", "aria-hidden": "true" },
      html("i", { class: "ours" }),
      html("i", { class: "theirs" }),
    );
    bars.children[0].style.setProperty("--share", String(each.mae / most));
    bars.children[1].style.setProperty("--share", String(each.persistence / most));
    return html(
      "tr",
      {},
      html("th", { scope: "row" }, `${each.horizon} h`),
      html("td", {}, number(each.mae)),
      html("td", {}, number(each.persistence)),
      html("td", { class: "bars" }, bars),
      change(better[index]),
    );
  });
  const dotted = (whose, word) =>
    html("span", { class: "dotted" }, html("i", { class: `dot ${whose}` }), word);
  return html(
    "div",
    {},
    html("p", { class: "lead" }, lead(rows)),
    week(
      "Mean absolute error in bikes over the last 7 days, by hours ahead",
      [
        column("Ahead"),
        column(dotted("ours", "Forecast")),
        html("th", { scope: "col", colspan: "2" }, dotted("theirs", "No"), " change assumed"),
        column("Error"),
      ],
      body,
    ),
    html(
      "p",
      { class: "small" },
      `Bikes off, on average, last 7 days; ${counted(total, "forecast")} came due. ` +
        `${mean("coverage") === null ? "" : `${percent(mean("coverage"))} fell in the 80 % band. `}` +
        `No bikes: forecast ${share(mean("forecast"))} of the time, seen ${share(mean("observed"))}.`,
    ),
  );
}

/** Before any forecast has come due: the model on days that it had not seen. */
function tested(model) {
  const none = "No forecast has come due yet in the last 7 days.";
  const rows = (model?.evaluation ?? []).filter(
    (each) => SHOWN.includes(each.horizon) && each.rmse !== null,
  );
  if (!rows.length) return html("p", { class: "lead" }, `${none} Their errors will stand here.`);
  const body = rows.map((each) => {
    const unknown = each.skill_rmse === null || each.skill_rmse >= 1;
    return html(
      "tr",
      {},
      html("th", { scope: "row" }, `${each.horizon} h`),
      html("td", {}, number(each.rmse)),
      html("td", {}, unknown ? "–" : number(each.rmse / (1 - each.skill_rmse))),
      change(each.skill_rmse),
      html("td", {}, percent(each.pit_coverage_80)),
    );
  });
  const head = ["Ahead", "Bikes off", "Best simple", "Error", "In 80 % band"];
  return html(
    "div",
    {},
    html("p", { class: "lead" }, `${none} On days that it had not seen, the model did so:`),
    week(
      "Root mean squared error in bikes on test days, by hours ahead",
      head.map((each) => column(each)),
      body,
    ),
  );
}

const column = (...words) => html("th", { scope: "col" }, ...words);

function week(caption, columns, rows) {
  return html(
    "table",
    { class: "week" },
    html("caption", { class: "unseen" }, caption),
    html("thead", {}, html("tr", {}, columns)),
    html("tbody", {}, rows),
  );
}

/** By how much an error is smaller, as a cell; null where that is not known. */
function change(gain) {
  if (gain === null) return html("td", {}, "–");
  const better = gain >= 0;
  return html(
    "td",
    { class: better ? "gain" : "loss" },
    `${better ? "−" : "+"}${Math.abs(Math.round(gain * 100))} %`,
  );
}

const share = (value) => (value === null ? "–" : `${(value * 100).toFixed(1)} %`);

function lead(rows) {
  const each = rows.find((row) => row.horizon === 3) ?? rows[0];
  const gain = 1 - each.mae / each.persistence;
  const ahead = each.horizon === 1 ? "An hour" : `${each.horizon} hours`;
  const beside =
    gain >= 0.005
      ? `${Math.round(gain * 100)} % closer than assuming that nothing changes`
      : "no closer than assuming that nothing changes";
  return `${ahead} ahead, forecasts were ${number(each.mae)} bikes off: ${beside}.`;
}

function facts(model, head, observedAt, zone) {
  const rows = [];
  const say = (words, ...said) =>
    rows.push(html("div", {}, html("dt", {}, words), html("dd", {}, ...said)));
  const note = (words) => html("small", {}, words);
  if (observedAt) say("Newest counts", dayAndClock(observedAt, zone), note(relative(observedAt)));
  if (head) {
    const origin = Date.parse(head.origin_at);
    const due = Date.parse(head.expires_at);
    const next =
      due > Date.now() ? `next due ${clock(due, zone)}` : `next was due ${dayAndClock(due, zone)}`;
    say(
      "Newest forecast",
      dayAndClock(origin, zone),
      note(`${relative(origin)}; ${next}${head.late ? "; made late" : ""}`),
    );
  }
  const champion = model?.champion;
  if (champion) {
    const words = [`version ${champion.model_version}`, champion.algorithm]
      .filter(Boolean)
      .join(", ");
    say(
      "Model",
      words,
      note(
        `since ${dateAndClock(Date.parse(champion.since), zone)}${champion.pinned ? "; pinned by its operators" : ""}`,
      ),
    );
    if (champion.reason) say("Chosen because", html("span", { class: "reason" }, champion.reason));
  } else if (model) {
    say("Model", "none yet", head ? note("a simple forecast stands in") : "");
  }
  if (head?.role === "simple" && champion)
    say("Forecast by", "the simple forecast", note("the model could not make it"));
  return rows.length ? html("dl", { class: "trust-facts" }, rows) : null;
}

function events(all, zone) {
  return html(
    "details",
    { class: "numbers" },
    html("summary", {}, "What happened to the model"),
    html(
      "div",
      {
        class: "scroll",
        tabindex: "0",
        "data-hold": "events",
        role: "group",
        "aria-label": "What happened to the model",
      },
      html(
        "ol",
        { class: "events" },
        all.map((each) =>
          html(
            "li",
            {},
            html("b", {}, date(Date.parse(each.at), zone)),
            ` ${each.kind.replaceAll("_", " ")}${each.model_version ? `, version ${each.model_version}` : ""}`,
            each.reason ? html("small", {}, each.reason) : null,
          ),
        ),
      ),
    ),
  );
}
