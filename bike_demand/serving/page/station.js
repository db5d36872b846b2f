// The card of the station that is open: its counts, its chart, and the chart's numbers as a table.

import { HEIGHT, drawChart } from "./chart.js";
import { html, refill, svg } from "./dom.js";
import { areOld } from "./notices.js";
import {
  HOUR,
  called,
  counted,
  dayAndClock,
  distance,
  number,
  percent,
  relative,
  spokenTime,
} from "./words.js";

export class StationCard {
  /** @param {{close: Function, open: Function, choose: Function}} told `choose(at)` picks an hour */
  constructor(element, told) {
    this.element = element;
    this.told = told;
    this.width = 0;
    this.data = null;
    this.frame = html("div", { class: "chart-frame" });
    this.frame.style.minHeight = `${HEIGHT}px`;
    this.reading = html("p", { class: "reading" });
    this.frame.addEventListener("pointermove", (event) => this.#read(event));
    this.frame.addEventListener("pointerleave", () => this.#redraw());
    this.frame.addEventListener("click", (event) => {
      const hour = this.#hourAt(event);
      if (hour) told.choose(Date.parse(hour.target_at));
    });
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width && width !== this.width) {
        this.width = width;
        this.#redraw();
      }
    }).observe(this.frame);
  }

  /**
   * Show a station.
   *
   * `data` holds `station`, `zone`, `forecast` (the answer or null), `history` (the answer or
   * null), `alternative` ({name, id, distance, shares} or null), `trouble` (words or null) and
   * `chosen` (the hour of the map or null).
   */
  show(data) {
    this.data = data;
    const { station } = data;
    const facts = [
      station.short_name && station.short_name !== station.name ? station.short_name : null,
      station.in_service === false ? "not in service" : null,
      station.observed_at
        ? `counted ${relative(Date.parse(station.observed_at))}`
        : "not counted yet",
    ].filter(Boolean);
    refill(this.element, [
      html(
        "div",
        { class: "card-head" },
        html("h2", { id: "station-name", tabindex: "-1", "data-hold": "name" }, called(station)),
        html(
          "button",
          {
            type: "button",
            class: "icon close",
            "data-hold": "close",
            "aria-label": "Close the station",
            title: "Close",
            onclick: () => this.told.close(),
          },
          svg(
            "svg",
            { viewBox: "0 0 20 20", width: 18, height: 18, "aria-hidden": "true" },
            svg("path", { d: "m5 5 10 10M15 5 5 15" }),
          ),
        ),
      ),
      html("p", { class: "facts" }, facts.join(" · ")),
      counts(station),
      this.#outlook(),
      this.reading,
      this.frame,
      this.#legend(),
      this.#table(),
    ]);
    this.element.hidden = false;
    this.#redraw();
  }

  hide() {
    this.data = null;
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  /** The map shows another hour. */
  choose(at) {
    if (!this.data) return;
    this.data.chosen = at;
    this.#redraw();
  }

  /** What is to be expected, in a sentence; or why nothing is. */
  #outlook() {
    const { station, forecast, trouble, zone, alternative } = this.data;
    if (trouble) return html("p", { class: "outlook" }, trouble);
    if (!forecast) return html("p", { class: "outlook" }, "Loading its forecast…");
    const near = alternative
      ? html(
          "span",
          { class: "near" },
          "Nearest other station: ",
          html(
            "button",
            {
              type: "button",
              class: "link",
              "data-hold": "near",
              onclick: () => this.told.open(alternative.id),
            },
            alternative.name,
          ),
          `, ${distance(alternative.distance)}${alternative.shares ? ", also at risk" : ""}`,
        )
      : null;
    return html("p", { class: "outlook" }, sentence(forecast.forecast, zone, station), near);
  }

  #legend() {
    const key = (name, words) => html("li", {}, html("i", { class: `key ${name}` }), words);
    if (!this.data.forecast) return null;
    return html(
      "ul",
      { class: "chart-legend", "aria-hidden": "true" },
      key("was", "Counted"),
      key("expected", "Expected"),
      key("band", "80 % likely"),
    );
  }

  #table() {
    const { forecast, history, zone } = this.data;
    if (!forecast) return null;
    const row = (each) =>
      html(
        "tr",
        {},
        html("th", { scope: "row" }, dayAndClock(Date.parse(each.target_at), zone)),
        html("td", {}, number(each.bikes)),
        html("td", {}, `${each.p10}–${each.p90}`),
        html("td", {}, percent(each.p_empty)),
        html("td", {}, percent(each.p_full)),
      );
    const hourly = (history?.observations ?? []).filter(
      (each) => Date.parse(each.observed_at) % HOUR === 0,
    );
    const past = hourly.map((each) =>
      html(
        "tr",
        {},
        html("th", { scope: "row" }, dayAndClock(Date.parse(each.observed_at), zone)),
        html("td", {}, each.num_bikes_available ?? "–"),
        html("td", {}, each.num_docks_available ?? "–"),
      ),
    );
    const head = (...words) =>
      html(
        "thead",
        {},
        html(
          "tr",
          {},
          words.map((each) => html("th", { scope: "col" }, each)),
        ),
      );
    return html(
      "details",
      { class: "numbers" },
      html("summary", {}, "The chart in numbers"),
      html(
        "div",
        {
          class: "scroll",
          tabindex: "0",
          "data-hold": "numbers",
          role: "group",
          "aria-label": "Numbers of the chart",
        },
        html(
          "table",
          {},
          html("caption", {}, "Next 24 hours"),
          head("Time", "Expected", "80 % likely", "No bikes", "No dock"),
          html("tbody", {}, forecast.forecast.map(row)),
        ),
        past.length
          ? html(
              "table",
              {},
              html("caption", {}, "Last 24 hours"),
              head("Time", "Bikes", "Free docks"),
              html("tbody", {}, past),
            )
          : null,
      ),
    );
  }

  #redraw() {
    if (!this.data || !this.width) return;
    this.#draw(this.data.chosen);
    const hour = this.#hour(this.data.chosen);
    this.reading.replaceChildren(
      ...(hour ? told(hour, this.data.zone) : ["Point at an hour, or move the map’s slider"]),
    );
    this.reading.classList.toggle("idle", !hour);
    this.reading.hidden = !this.data.forecast;
  }

  #draw(chosen) {
    const { station, forecast, history, zone } = this.data;
    const rows = forecast?.forecast ?? [];
    const drawn = drawChart(
      {
        observations: history?.observations ?? [],
        forecast: rows,
        capacity: station.capacity ?? rows[0]?.capacity ?? null,
        zone,
        now: Date.now(),
        chosen,
      },
      this.width,
    );
    this.timeAt = drawn.timeAt;
    this.frame.replaceChildren(drawn.element);
  }

  #hour(at) {
    if (at === null) return null;
    return (
      this.data.forecast?.forecast.find(
        (each) => Math.abs(Date.parse(each.target_at) - at) < HOUR / 2,
      ) ?? null
    );
  }

  #hourAt(event) {
    if (!this.timeAt) return null;
    return this.#hour(this.timeAt(event.clientX - this.frame.getBoundingClientRect().left));
  }

  #read(event) {
    const { history, zone } = this.data;
    const hour = this.#hourAt(event);
    const at = this.timeAt(event.clientX - this.frame.getBoundingClientRect().left);
    if (hour) {
      this.#draw(Date.parse(hour.target_at));
      this.reading.replaceChildren(...told(hour, zone));
    } else {
      const seen = (history?.observations ?? [])
        .filter((each) => Date.parse(each.observed_at) <= at)
        .at(-1);
      if (!seen || at - Date.parse(seen.observed_at) > HOUR / 2) return;
      this.#draw(Date.parse(seen.observed_at));
      this.reading.replaceChildren(
        html("b", {}, dayAndClock(Date.parse(seen.observed_at), zone)),
        ` ${counted(seen.num_bikes_available ?? 0, "bike")}, ${counted(seen.num_docks_available ?? 0, "free dock")}`,
      );
    }
    this.reading.classList.remove("idle");
  }
}

function told(hour, zone) {
  const full = hour.p_full === null ? "" : ` · no free dock ${percent(hour.p_full)}`;
  return [
    html("b", {}, dayAndClock(Date.parse(hour.target_at), zone)),
    ` ${number(hour.bikes)} bikes (${hour.p10}–${hour.p90}) · no bikes ${percent(hour.p_empty)}${full}`,
  ];
}

function counts(station) {
  const one = (value, words, note, kind) =>
    html(
      "div",
      { class: kind },
      html("dt", {}, words),
      html("dd", {}, value ?? "–", note ? html("small", {}, note) : null),
    );
  const bikes = station.num_bikes_available;
  const docks = station.num_docks_available;
  const electric = station.num_ebikes_available ? `${station.num_ebikes_available} electric` : null;
  return html(
    "dl",
    { class: "counts" },
    one(bikes, "Bikes", electric, bikes === 0 ? "none-left" : null),
    one(docks, "Free docks", null, docks === 0 ? "none-free" : null),
    one(station.capacity, "Docks in all", null, null),
  );
}

/** "It is likely to run out of bikes: 71 % at Sunday 08:00.": of the hours that are still to come. */
function sentence(forecast, zone, station) {
  if (station.in_service === false)
    return "Not in service now. This is what is to be expected if it opens.";
  const rows = forecast.filter((each) => Date.parse(each.target_at) > Date.now());
  if (!rows.length) return "All hours of the newest forecast are past.";
  const end = Date.parse(rows.at(-1).target_at);
  const whole = end - Date.now() > 22 * HOUR;
  const through = (word) =>
    whole ? `${word} the next 24 hours` : `until ${spokenTime(end, zone)}`;
  const when = areOld(Date.parse(station.observed_at)) ? "when last counted" : "now";
  const said = [];
  const kinds = [
    ["p_empty", station.num_bikes_available === 0, "bikes"],
    ["p_full", station.num_docks_available === 0, "free docks"],
  ];
  for (const [field, already, words] of kinds) {
    const most = rows.reduce(
      (best, each) => ((each[field] ?? -1) > (best?.[field] ?? -1) ? each : best),
      null,
    );
    if (already) {
      const relief = rows.find((each) => each[field] !== null && each[field] < 0.5);
      const until = relief
        ? `more likely than not there are some from ${spokenTime(Date.parse(relief.target_at), zone)}`
        : `probably none ${through("in")}`;
      said.push([2, `No ${words} ${when}; ${until}.`]);
    } else if (most?.[field] >= 0.1) {
      const verb = most[field] >= 0.5 ? "is likely to" : "may";
      said.push([
        most[field],
        `It ${verb} run out of ${words}: ${percent(most[field])} at ${spokenTime(Date.parse(most.target_at), zone)}.`,
      ]);
    }
  }
  if (!said.length) return `It is likely to have bikes and free docks ${through("for")}.`;
  return said
    .sort((one, other) => other[0] - one[0])
    .map((each) => each[1])
    .join(" ");
}
