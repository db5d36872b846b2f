// What is wrong, in a sentence; and how new what is shown is.

import { Problem } from "./api.js";
import { html } from "./dom.js";
import { HOUR, MINUTE, clock, dayAndClock, relative } from "./words.js";

const OLD_COUNTS_MS = 45 * MINUTE; // three snapshots have been missed

// The worst first.
const TROUBLES = {
  down: (each) => each.status === 0 || (each.status >= 500 && !each.slug),
  key: (each) => each.status === 401,
  database: (each) => each.slug === "database-unavailable",
  busy: (each) => each.status === 429,
  none: (each) => each.slug === "no-forecast",
};

/** What failures amount to: of several the worst, `{kind, retryAfter}` [ms], or null. */
export function worst(failures) {
  const told = failures.filter((each) => each instanceof Problem);
  for (const each of failures) if (!(each instanceof Problem)) reportError(each); // ours, not theirs
  for (const [kind, fits] of Object.entries(TROUBLES)) {
    const found = told.find(fits);
    if (found) return { kind, retryAfter: (found.retryAfter ?? 0) * 1000 };
  }
  return null;
}

/** Whether counts of a time [ms] are no longer those of now. */
export const areOld = (at) => at !== null && Date.now() - at > OLD_COUNTS_MS;

/** In the bar: whether it is live, and of when the counts are. */
export function showFreshness(place, { trouble, observedAt, head, zone }) {
  if (!observedAt) {
    place.replaceChildren();
    return;
  }
  const state = trouble === "down" ? "down" : areOld(observedAt) || head?.stale ? "old" : "live";
  const words = { down: "Offline", old: "Stale", live: "Live" }[state];
  place.replaceChildren(
    html("i", { class: `light ${state}` }),
    html("b", {}, words),
    html("span", {}, `${clock(observedAt, zone)}, ${relative(observedAt)}`),
  );
}

/** In the banner: what is wrong, if anything is. It is said aloud, so that it seldom changes. */
export function showNotice(banner, { trouble, observedAt, head, zone }, does) {
  const origin = head ? Date.parse(head.origin_at) : null;
  const since = observedAt
    ? ` The map shows what was known at ${dayAndClock(observedAt, zone)}.`
    : "";
  const button = (words, onclick) => html("button", { type: "button", onclick }, words);
  const says = {
    down: () => [
      "bad",
      `The service does not answer.${since} It is asked again by itself.`,
      button("Try now", does.again),
    ],
    database: () => [
      "bad",
      `The service cannot reach its database.${since} It is asked again by itself.`,
      button("Try now", does.again),
    ],
    busy: () => [
      "warn",
      "Too many questions from here in a minute: the page waits a little before it asks again.",
    ],
    key: () => ["warn", "This service asks for an API key.", button("Enter a key", does.key)],
    none: () => [
      "warn",
      "No forecast has been made yet. " +
        "The map shows bikes now; hours ahead and risks come with the first forecast.",
    ],
    stale: () => [
      "warn",
      `The forecast is stale: the newest is of ${dayAndClock(origin, zone)}, ` +
        `over ${Math.floor((Date.now() - origin) / HOUR)} h ago.`,
    ],
    old: () => ["warn", `Bike counts are old: the newest are of ${dayAndClock(observedAt, zone)}.`],
  };
  const kind = trouble ?? (head?.stale ? "stale" : areOld(observedAt) ? "old" : null);
  const [tone, words, act] = kind ? says[kind]() : ["", ""];
  if (banner.dataset.kind === (kind ?? "") && banner.firstChild?.textContent === words) return;
  banner.dataset.kind = kind ?? "";
  banner.dataset.tone = tone;
  banner.replaceChildren(...(kind ? [html("p", {}, words), act].filter(Boolean) : []));
}
