// A station's chart: what was, what is expected with its 80 % band, and both risks by the hour.
// Drawn as SVG in the width there is; its colours stand in the style sheet.

import { svg } from "./dom.js";
import { HOUR, MINUTE, clock, day, localHour, localMinute, percent } from "./words.js";

const TOP = 20;
const BIKES_HEIGHT = 168;
const RISK_HEIGHT = 34;
const RISK_GAP = 14;
const AXIS_HEIGHT = 24;
const LEFT = 26;
const RIGHT = 6;
const GAP = 35 * MINUTE; // two observations further apart have a gap between them

export const HEIGHT = TOP + BIKES_HEIGHT + 2 * (RISK_GAP + RISK_HEIGHT) + AXIS_HEIGHT;

/** Observations in runs without a gap: a gap is not bridged. */
export function runs(observations) {
  const known = observations
    .filter((each) => each.num_bikes_available !== null)
    .map((each) => ({ at: Date.parse(each.observed_at), bikes: each.num_bikes_available }));
  const found = [];
  for (const each of known) {
    const run = found.at(-1);
    if (run && each.at - run.at(-1).at <= GAP) run.push(each);
    else found.push([each]);
  }
  return found;
}

/** Round steps of an axis up to `most`. */
function steps(most) {
  const step = [1, 2, 5, 10, 20, 25, 50, 100, 200].find((each) => most / each <= 5) ?? most;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
}

/**
 * Draw the chart.
 *
 * @param {object} data `{observations, forecast, capacity, zone, now, chosen}`; `forecast` may be
 *   empty, `chosen` is the hour shown on the map [ms] or null
 * @param {number} width in px
 * @returns {{element: SVGElement, timeAt: Function}} `timeAt(x)` is the time at a place [ms]
 */
export function drawChart(data, width) {
  const { observations, forecast, capacity, zone, now, chosen } = data;
  const hours = forecast.map((each) => ({ ...each, at: Date.parse(each.target_at) }));
  const past = runs(observations);
  const last = past.at(-1)?.at(-1);
  const first = past[0]?.[0];
  const start = Math.min(now - 24 * HOUR, first?.at ?? Infinity);
  const end = Math.max(now + HOUR, hours.at(-1)?.at ?? now);
  const bikes = [...past.flat().map((each) => each.bikes), ...hours.map((each) => each.p90)];
  const most = Math.max(capacity ?? 0, ...bikes, 4) * 1.06;
  const x = (at) => LEFT + ((at - start) / (end - start)) * (width - LEFT - RIGHT);
  const y = (value) => TOP + BIKES_HEIGHT * (1 - value / most);
  const bottom = TOP + BIKES_HEIGHT;
  const axis = HEIGHT - AXIS_HEIGHT;
  const element = svg("svg", {
    class: "chart",
    width,
    height: HEIGHT,
    viewBox: `0 0 ${width} ${HEIGHT}`,
    role: "img",
    "aria-label": "Chart of bikes over time; the same numbers are in the table below",
  });
  const add = (name, attributes, ...children) => element.append(svg(name, attributes, ...children));

  for (const value of steps(most)) {
    add("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) });
    add("text", { class: "y", x: LEFT - 6, y: y(value) + 3.5 }, String(value));
  }
  add("text", { class: "title", x: 0, y: 10 }, "Bikes");
  drawTimes(add, { start, end, zone, x, axis, top: TOP, width });
  if (hours.length)
    add("rect", { class: "ahead", x: x(now), y: TOP, width: x(end) - x(now), height: axis - TOP });

  if (capacity) {
    add("line", {
      class: "capacity",
      x1: LEFT,
      x2: width - RIGHT,
      y1: y(capacity),
      y2: y(capacity),
    });
    add("text", { class: "capacity-words", x: LEFT + 4, y: y(capacity) - 4 }, `${capacity} docks`);
  }
  for (const run of past) {
    const line = `M${run.map((each) => `${x(each.at).toFixed(1)},${y(each.bikes).toFixed(1)}`).reduce((path, point, index) => (index ? `${path}H${point.split(",")[0]}V${point.split(",")[1]}` : point))}`;
    add("path", { class: "was-area", d: `${line}V${bottom}H${x(run[0].at).toFixed(1)}Z` });
    add("path", { class: "was", d: line });
  }
  if (hours.length) {
    // From what was seen last it goes on, if that was before the first hour forecast.
    const joined = last && last.at < hours[0].at && hours[0].at - last.at <= 2 * HOUR;
    const begin = joined
      ? [{ at: last.at, bikes: last.bikes, p10: last.bikes, p90: last.bikes }]
      : [];
    const points = [...begin, ...hours];
    const path = (name) =>
      points.map((each) => `${x(each.at).toFixed(1)},${y(each[name]).toFixed(1)}`);
    add("path", { class: "band", d: `M${[...path("p90"), ...path("p10").reverse()].join("L")}Z` });
    add("path", { class: "expected", d: `M${path("bikes").join("L")}` });
    drawRisk(add, {
      hours,
      x,
      left: LEFT,
      base: bottom + RISK_GAP + RISK_HEIGHT,
      field: "p_empty",
      words: "Risk of no bikes",
      zone,
      width,
    });
    drawRisk(add, {
      hours,
      x,
      left: LEFT,
      base: axis,
      field: "p_full",
      words: "Risk of no free dock",
      zone,
      width,
    });
  }
  add("line", { class: "now", x1: x(now), x2: x(now), y1: TOP - 6, y2: axis });
  add("text", { class: "now-words", x: x(now), y: 10 }, "now");
  if (last) add("circle", { class: "last", cx: x(last.at), cy: y(last.bikes), r: 3.2 });
  if (chosen !== null && chosen >= start && chosen <= end) {
    add("line", { class: "chosen", x1: x(chosen), x2: x(chosen), y1: TOP - 2, y2: axis });
    const hour = hours.find((each) => Math.abs(each.at - chosen) < MINUTE);
    if (hour) add("circle", { class: "chosen-dot", cx: x(chosen), cy: y(hour.bikes), r: 4 });
  }
  return {
    element,
    timeAt: (place) => start + ((place - LEFT) / (width - LEFT - RIGHT)) * (end - start),
  };
}

/** Every sixth local hour; at midnight the day that begins. */
function drawTimes(add, { start, end, zone, x, axis, top, width }) {
  const tick = 15 * MINUTE; // there are clocks that are not whole hours from UTC
  const wide = width > 520;
  for (let at = Math.ceil(start / tick) * tick; at <= end; at += tick) {
    if (localMinute(at, zone) !== 0) continue;
    const hour = localHour(at, zone);
    if (hour % 6 !== 0) continue;
    const midnight = hour === 0;
    add("line", {
      class: midnight ? "time midnight" : "time",
      x1: x(at),
      x2: x(at),
      y1: top,
      y2: axis + 4,
    });
    if (x(at) > width - 14 || x(at) < 12) continue;
    const words = midnight ? day(at, zone) : wide ? clock(at, zone) : String(hour).padStart(2, "0");
    add("text", { class: midnight ? "x midnight" : "x", x: x(at), y: axis + 17 }, words);
  }
}

/** Bars of a probability by the hour, and in the room before now what they are. */
function drawRisk(add, { hours, x, left, base, field, words, zone, width }) {
  const known = hours.filter((each) => each[field] !== null);
  const step = hours.length > 1 ? x(hours[1].at) - x(hours[0].at) : 8;
  add("line", { class: "base", x1: left, x2: width - RIGHT, y1: base, y2: base });
  add("text", { class: "risk-words", x: left + 4, y: base - 18 }, words);
  if (!known.length) {
    add("text", { class: "risk-note", x: left + 4, y: base - 5 }, "not forecast here");
    return;
  }
  const peak = known.reduce((best, each) => (each[field] > best[field] ? each : best));
  const note =
    peak[field] < 0.01
      ? "below 1 % all day"
      : `up to ${percent(peak[field])}, at ${clock(peak.at, zone)}`;
  add("text", { class: "risk-note", x: left + 4, y: base - 5 }, note);
  for (const each of known) {
    const height = Math.max(each[field] * RISK_HEIGHT, each[field] >= 0.005 ? 1 : 0);
    add("rect", {
      class: field,
      x: x(each.at) - step * 0.4,
      y: base - height,
      width: Math.max(1, Math.min(step * 0.8, width - RIGHT - x(each.at) + step * 0.4)),
      height,
    });
  }
}
