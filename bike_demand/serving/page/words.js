// Numbers and times as people read them. Times are those of the system's clock.

export const HOUR = 3_600_000;
export const MINUTE = 60_000;

const formats = new Map();

function format(zone, options) {
  const key = zone + JSON.stringify(options);
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  }
  return formats.get(key);
}

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

/** "14:00" */
export const clock = (at, zone) => format(zone, CLOCK).format(at);

/** "Sun 14:00" */
export const dayAndClock = (at, zone) => `${day(at, zone)} ${clock(at, zone)}`;

/** "Sun" */
export const day = (at, zone) => format(zone, { weekday: "short" }).format(at);

/** "Sunday 14:00" */
export const spokenTime = (at, zone) =>
  `${format(zone, { weekday: "long" }).format(at)} ${clock(at, zone)}`;

/** "20 Nov, 06:00" */
export const dateAndClock = (at, zone) =>
  `${format(zone, { day: "numeric", month: "short" }).format(at)}, ${clock(at, zone)}`;

/** "20 Nov" */
export const date = (at, zone) => format(zone, { day: "numeric", month: "short" }).format(at);

/** Hour of the local day, 0 to 23. */
export const localHour = (at, zone) =>
  Number(format(zone, { hour: "2-digit", hourCycle: "h23" }).format(at));

/** Minute of the local hour: not 0 at a full hour UTC in India. */
export const localMinute = (at, zone) => Number(clock(at, zone).slice(3));

/** "Europe/Lisbon" is the time in Lisbon. */
export const place = (zone) => zone.split("/").at(-1).replaceAll("_", " ");

/** "1 h 20 min" */
export function duration(milliseconds) {
  const minutes = Math.max(0, Math.round(milliseconds / MINUTE));
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.round(hours / 24)} days`;
  return minutes % 60 && hours < 6
    ? `${hours} h ${minutes % 60} min`
    : `${Math.round(minutes / 60)} h`;
}

/** "in 2 h", "20 min ago" */
export function relative(at, now = Date.now()) {
  if (Math.abs(at - now) < MINUTE) return "just now";
  return at > now ? `in ${duration(at - now)}` : `${duration(now - at)} ago`;
}

/** "4 %"; what is not quite sure is never called 0 or 100. */
export function percent(probability) {
  if (probability === null || probability === undefined) return "–";
  if (probability > 0 && probability < 0.005) return "<1 %";
  if (probability < 1 && probability >= 0.995) return ">99 %";
  return `${Math.round(probability * 100)} %`;
}

/** "6.2", "12" */
export const number = (value, digits = 1) =>
  value === null || value === undefined ? "–" : value.toFixed(digits);

/** "1 bike", "3 bikes" */
export const counted = (count, one, many = `${one}s`) =>
  `${count.toLocaleString("en-GB")} ${count === 1 ? one : many}`;

/** What a station is called: its name, or the id of one that has none. */
export const called = (station) => station.name || `Station ${station.station_id}`;

/** "240 m", "1.3 km", in one piece */
export const distance = (metres) =>
  metres < 995
    ? `${Math.round(metres / 10) * 10}\u00a0m`
    : `${(metres / 1000).toFixed(1)}\u00a0km`;
