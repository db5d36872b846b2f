// How a station looks on the map. Colours differ in lightness, orange and blue also for the
// colour-blind; and never colour alone: what is empty is a ring, what is full a ring around a disc, and a
// risk grows with its circle.

const LIGHT = {
  ground: "#e9e6df",
  area: "#f8f6f2",
  lines: "#dfdbd2",
  edge: "#ffffff",
  ink: "#1c2024",
  quiet: "#b9b5ab",
  outline: "#5f646b",
  empty: "#c64f00",
  full: "#0a62a8",
  chosen: "#1c2024",
  bikes: ["#aadccb", "#63bba4", "#25917f", "#0b5d57"],
  emptyRisk: ["#c9c5bb", "#f3c08d", "#ee9440", "#cc5803", "#7f2f00"],
  fullRisk: ["#c9c5bb", "#a3c8e6", "#5b9fd6", "#1667ac", "#083766"],
  riskLabels: [null, "#221203", "#221203", "#ffffff", "#ffffff"],
};
const DARK = {
  ground: "#101316",
  area: "#1b2025",
  lines: "#23292f",
  edge: "#1b2025",
  ink: "#eceef0",
  quiet: "#565e67",
  outline: "#99a1aa",
  empty: "#ff9a47",
  full: "#6cb6ff",
  chosen: "#ffffff",
  bikes: ["#24615b", "#2f9182", "#5cc4aa", "#b8f2dc"],
  emptyRisk: ["#434a52", "#80501f", "#c2701c", "#f99a37", "#ffd9a8"],
  fullRisk: ["#434a52", "#28547e", "#3a82c4", "#6cb6ff", "#cbe5ff"],
  riskLabels: [null, "#ffffff", "#14100a", "#14100a", "#14100a"],
};

export const palette = (dark) => (dark ? DARK : LIGHT);

const BIKES = ["1–2", "3–5", "6–10", "11 or more"];
const RISKS = ["below 5 %", "5–20 %", "20–40 %", "40–60 %", "60 % or more"];
const RISK_SIZES = [0.42, 0.62, 0.84, 1.1, 1.4];
const RISK_LIMITS = [0.05, 0.2, 0.4, 0.6];

/**
 * The kinds of mark of a view, least important first: that is the order in which they are drawn.
 * `size` is relative to a station's usual one, and to that of all where marks are `even`: else a
 * large station's small risk would look like a small one's large.
 */
export function marks(view, dark, now) {
  const colours = palette(dark);
  const closed = {
    key: "closed",
    words: "Not in service",
    shape: "cross",
    colour: colours.outline,
    size: 0.55,
  };
  const unknown = {
    key: "unknown",
    words: "Not known",
    shape: "disc",
    colour: colours.quiet,
    size: 0.35,
  };
  if (view === "bikes") {
    return [
      unknown,
      closed,
      ...BIKES.map((words, rank) => ({
        key: `bikes-${rank}`,
        words,
        shape: "disc",
        colour: colours.bikes[rank],
        size: 1,
        label: rank >= 2 === dark ? "#0c1a19" : "#ffffff",
      })),
      {
        key: "full",
        words: "No free dock",
        shape: "target",
        colour: colours.full,
        size: 1,
        label: dark ? "#0c1a19" : "#ffffff",
      },
      {
        key: "empty",
        words: "No bikes",
        shape: "ring",
        colour: colours.empty,
        size: 1,
        label: colours.empty,
      },
    ];
  }
  const ramp = view === "empty" ? colours.emptyRisk : colours.fullRisk;
  if (now) {
    const words = view === "empty" ? ["Has bikes", "No bikes"] : ["Has free docks", "No free dock"];
    return [
      unknown,
      closed,
      { key: "risk-0", words: words[0], shape: "disc", even: true, colour: ramp[0], size: 0.5 },
      {
        key: "risk-4",
        words: words[1],
        shape: "disc",
        even: true,
        colour: view === "empty" ? colours.empty : colours.full,
        size: 1.2,
        label: dark ? "#14100a" : "#ffffff",
      },
    ];
  }
  return [
    unknown,
    closed,
    ...RISKS.map((words, rank) => ({
      key: `risk-${rank}`,
      words,
      shape: "disc",
      even: true,
      colour: ramp[rank],
      size: RISK_SIZES[rank],
      label: colours.riskLabels[rank],
    })),
  ];
}

const bikesKey = (bikes) =>
  bikes <= 2 ? "bikes-0" : bikes <= 5 ? "bikes-1" : bikes <= 10 ? "bikes-2" : "bikes-3";

/**
 * The mark of a station and the number it wears: `{ key, text }`.
 *
 * `forecast` is its row at the hour shown, or null where the map shows what is there now.
 */
export function markOf(view, station, forecast, now) {
  if ((now ? station.in_service : (forecast?.in_service ?? station.in_service)) === false) {
    return { key: "closed", text: "" };
  }
  if (now) {
    const bikes = station.num_bikes_available;
    const docks = station.num_docks_available;
    if (view === "bikes") {
      if (bikes === null) return { key: "unknown", text: "" };
      if (bikes === 0) return { key: "empty", text: "0" };
      return { key: docks === 0 ? "full" : bikesKey(bikes), text: String(bikes) };
    }
    const count = view === "empty" ? bikes : docks;
    if (count === null) return { key: "unknown", text: "" };
    return { key: count === 0 ? "risk-4" : "risk-0", text: count === 0 ? "0" : "" };
  }
  if (!forecast) return { key: "unknown", text: "" };
  if (view === "bikes") {
    if (forecast.p50 === 0) return { key: "empty", text: "0" };
    const bikes = forecast.p50;
    const full = forecast.p_full !== null && forecast.p_full >= 0.5;
    return { key: full ? "full" : bikesKey(bikes), text: String(Math.round(bikes)) };
  }
  const probability = view === "empty" ? forecast.p_empty : forecast.p_full;
  if (probability === null) return { key: "unknown", text: "" };
  const rank = RISK_LIMITS.filter((limit) => probability >= limit).length;
  return { key: `risk-${rank}`, text: rank ? String(Math.round(probability * 100)) : "" };
}
