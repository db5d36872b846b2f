// The page: what is known, what is shown of it, and when it is asked for again. What the parts of
// the page look like is theirs.

import { showTrust } from "./accuracy.js";
import { allStations, get, key, latest, overtaken } from "./api.js";
import { CityMap } from "./city_map.js";
import { find, html } from "./dom.js";
import { Hours } from "./hours.js";
import { showLegend, viewName } from "./legend.js";
import { showFreshness, showNotice, worst } from "./notices.js";
import { MOST, showRisks } from "./risks.js";
import { markOf, marks } from "./scales.js";
import { Search } from "./search.js";
import { StationCard } from "./station.js";
import { isDark, watchTheme } from "./theme.js";
import { called, clock, counted, percent } from "./words.js";

const AGAIN_MS = 60_000;
const AFTER_DUE_MS = 5_000; // what is due takes a moment to arrive
const FIRST_RETRY_MS = 5_000;

const known = {
  systems: [],
  system: null,
  zone: "UTC",
  stations: new Map(),
  observedAt: null,
  head: null, // of the newest forecast
  risks: null,
  neighbours: new Map(),
  accuracy: null,
  model: null,
  station: null, // {id, facts, forecast, history, trouble} of the one that is open
};
const shown = { view: "bikes", kind: "empty", within: 6 };
let trouble = null; // {kind, words}
let retries = 0;
let declined = false; // to give a key: it is not asked for again by itself
let refused = null; // the key that was not taken
let timer = 0;
let lastTry = 0;

const refreshing = latest();
const openingStation = latest();
const listing = latest();

const settings = await get("/page/settings.json").catch(() => ({}));
const map = new CityMap(find("map"), settings, {
  open: (id) => openStation(id, { fromMap: true }),
  describe,
  say: (text) => {
    find("map-said").textContent = text;
  },
});
const hours = new Hours(
  { slider: find("slider"), hour: find("hour"), ticks: find("ticks"), play: find("play") },
  { show: showMap, failed: fail, newer: () => refresh() },
);
const card = new StationCard(find("station"), {
  close: () => closeStation(),
  open: (id) => openStation(id),
  choose: (at) => hours.goToTime(at),
});
new Search(find("search"), find("found"), find("found-count"), {
  stations: () => known.stations.values(),
  note: (station) =>
    station.in_service === false
      ? "not in service"
      : station.num_bikes_available === null
        ? ""
        : counted(station.num_bikes_available, "bike"),
  open: (id) => openStation(id),
});

// What is asked for

/** Ask for everything again; what cannot be had stays as it was. */
async function refresh() {
  clearTimeout(timer);
  lastTry = Date.now();
  const signal = refreshing.next();
  const failures = [];
  const ask = async (question, took) => {
    try {
      const answer = await question;
      if (!signal.aborted) took(answer);
    } catch (error) {
      if (!overtaken(error)) failures.push(error);
    }
  };
  if (!known.systems.length) await ask(get("/systems", {}, signal), takeSystems);
  if (signal.aborted) return;
  const system = known.system;
  if (system) {
    const of = { system_id: system };
    await Promise.all([
      ask(allStations(system, signal), takeStations),
      ask(
        get("/risks", { ...of, hours: shown.within, kind: shown.kind, limit: MOST }, signal),
        takeRisks,
      ),
      ask(get("/accuracy", of, signal), (answer) => {
        known.accuracy = answer;
        showTrustPanel();
      }),
      ask(get("/model", of, signal), (answer) => {
        known.model = answer;
        showTrustPanel();
      }),
      known.station ? ask(loadStation(signal), () => {}) : null,
    ]);
  }
  if (signal.aborted) return;
  judge(failures);
  schedule();
}

function schedule() {
  const due = known.head ? Date.parse(known.head.expires_at) + AFTER_DUE_MS - Date.now() : Infinity;
  const usual = due > 0 ? Math.min(AGAIN_MS, due) : AGAIN_MS;
  const wait = retries
    ? Math.max(trouble?.retryAfter ?? 0, Math.min(AGAIN_MS, FIRST_RETRY_MS * 2 ** (retries - 1)))
    : usual;
  clearTimeout(timer);
  timer = setTimeout(() => (document.hidden ? schedule() : refresh()), wait);
}

/** After everything was asked for: say what is wrong, or that nothing is. */
function judge(failures) {
  if (failures.some((each) => each.slug === "no-forecast")) takeNoForecast();
  trouble = worst(failures);
  retries = ["down", "database", "busy"].includes(trouble?.kind) ? retries + 1 : 0;
  if (trouble?.kind === "key" && !(declined && key.get() === refused)) askForKey();
  if (trouble && !known.stations.size) find("waiting").textContent = "No stations to show yet";
  showBanner();
  showFresh();
  if (trouble) {
    showRisksPanel();
    showTrustPanel();
  }
}

/** A question of its own failed: the hour of the map, a list, or a station. */
function fail(error) {
  if (!worst([error])) return;
  judge([error]);
  schedule();
}

// What is known

function takeSystems({ systems }) {
  known.systems = systems;
  const select = find("system");
  select.replaceChildren(
    ...systems.map((each) =>
      html("option", { value: each.system_id }, each.system_id.replaceAll("_", " ")),
    ),
  );
  select.parentElement.hidden = systems.length < 2;
  const [wanted] = fragment();
  const first = systems.find((each) => each.system_id === wanted) ?? systems[0];
  if (first) useSystem(first.system_id);
  else find("waiting").textContent = "No system is followed yet";
}

function useSystem(id) {
  known.system = id;
  known.zone = known.systems.find((each) => each.system_id === id)?.timezone ?? "UTC";
  Object.assign(known, {
    observedAt: null,
    head: null,
    risks: null,
    accuracy: null,
    model: null,
    station: null,
  });
  known.stations = new Map();
  known.neighbours = new Map();
  find("system").value = id;
  find("foot").replaceChildren(
    html(
      "p",
      {},
      `Times are those of ${known.zone.replaceAll("_", " ")}. `,
      html("a", { href: "/docs" }, "The API behind this page"),
      " is open to programs, too.",
    ),
  );
  card.hide();
  map.setStations([]);
  find("legend").replaceChildren();
  find("waiting").textContent = "Loading stations…";
  find("waiting").hidden = false;
  hours.counted(null);
  hours.setForecast(id, null, known.zone);
  map.whole = true;
  const [, station] = fragment();
  if (station) openStation(station, { quietly: true });
}

function takeStations({ stations, observed_at: observedAt, timezone }) {
  const first = known.stations.size === 0;
  known.zone = timezone ?? known.zone;
  known.observedAt = observedAt ? Date.parse(observedAt) : null;
  known.stations = new Map(stations.map((each) => [each.station_id, each]));
  map.setStations(stations);
  hours.counted(known.observedAt);
  showMap();
  find("waiting").hidden = stations.length > 0;
  if (!stations.length) find("waiting").textContent = "This system has no stations yet";
  if (first && stations.length) {
    map.showAll(false);
    if (known.station) map.choose(known.station.id, true);
    performance.mark("stations-shown");
  }
  if (known.station) showStation();
  if (first) showRisksPanel(); // its neighbours have names now
  showTrustPanel();
}

function takeHead(head) {
  known.head = head;
  hours.setForecast(known.system, head, known.zone);
  showTrustPanel();
}

function takeNoForecast() {
  Object.assign(known, { head: null, risks: null });
  hours.setForecast(known.system, null, known.zone);
  if (known.station) {
    known.station.forecast = null;
    known.station.trouble = "There is no forecast of this station yet.";
    showStation();
  }
}

function takeRisks(answer) {
  const asked = answer.kind === shown.kind && answer.hours === shown.within;
  if (asked) known.risks = answer;
  for (const each of answer.risks) known.neighbours.set(each.station_id, each);
  takeHead(answer);
  showRisksPanel();
}

async function listRisks() {
  const asked = { system_id: known.system, hours: shown.within, kind: shown.kind, limit: MOST };
  try {
    takeRisks(await get("/risks", asked, listing.next()));
  } catch (error) {
    if (overtaken(error)) return;
    known.risks = null;
    fail(error);
  }
}

// One station

function openStation(id, { quietly = false, fromMap = false } = {}) {
  if (known.station?.id === id) {
    if (!quietly) reveal();
    return;
  }
  known.station = { id, facts: null, forecast: null, history: null, trouble: null };
  const address = `#${encodeURIComponent(known.system)}/${encodeURIComponent(id)}`;
  if (location.hash !== address) history.pushState(null, "", address);
  showStation();
  map.choose(id, !fromMap);
  showRisksPanel();
  if (!quietly) reveal();
  loadStation(openingStation.next()).catch((error) => {
    if (!overtaken(error)) fail(error);
  });
}

function closeStation({ quietly = false } = {}) {
  if (!known.station) return;
  openingStation.stop();
  known.station = null;
  card.hide();
  map.choose(null);
  showRisksPanel();
  if (!quietly) {
    history.pushState(null, "", `#${encodeURIComponent(known.system)}`);
    find("search").focus({ preventScroll: true });
  }
}

async function loadStation(signal) {
  const opened = known.station;
  const of = { system_id: known.system };
  const path = encodeURIComponent(opened.id);
  const current = () => known.station === opened && !signal.aborted;
  const forecast = get(`/stations/${path}/forecast`, of, signal).then(
    (answer) => Object.assign(opened, { forecast: answer, trouble: null }),
    async (error) => {
      if (overtaken(error)) throw error;
      if (error.slug === "no-forecast")
        opened.trouble = "There is no forecast of this station yet.";
      else if (error.status === 404) opened.trouble = await unforecast(opened, of, signal);
      else {
        if (!opened.forecast) opened.trouble = "Its forecast cannot be had at the moment.";
        throw error;
      }
    },
  );
  const past = get(`/history/${path}`, of, signal).then(
    (answer) => {
      opened.history = answer;
    },
    (error) => {
      if (error.status !== 404) throw error;
    },
  );
  const results = await Promise.allSettled([forecast, past]);
  if (!current()) return;
  showStation();
  const failed = results.find((each) => each.status === "rejected");
  if (failed) throw failed.reason;
}

/** Why a station has no forecast: it is not known, or it takes no part. */
async function unforecast(opened, of, signal) {
  try {
    const answer = await get(`/stations/${encodeURIComponent(opened.id)}`, of, signal);
    opened.facts = answer.station;
    return "There is no forecast of this station.";
  } catch (error) {
    if (error.status === 404) return "There is no station with this id.";
    throw error;
  }
}

function stationFacts(id) {
  return (
    known.stations.get(id) ??
    known.station?.facts ?? {
      station_id: id,
      name: null,
      short_name: null,
      capacity: null,
      in_service: null,
      observed_at: null,
      num_bikes_available: null,
      num_ebikes_available: null,
      num_docks_available: null,
    }
  );
}

function showStation() {
  const { id, forecast, history: past, trouble: words } = known.station;
  const near = known.neighbours.get(id);
  const alternative = near?.neighbour_id
    ? {
        id: near.neighbour_id,
        name: nameOf(near.neighbour_id),
        distance: near.neighbour_distance,
        shares: near.neighbour_shares,
      }
    : null;
  card.show({
    station: stationFacts(id),
    zone: known.zone,
    forecast,
    history: past,
    alternative,
    trouble: words,
    chosen: hours.shown.at,
  });
}

function reveal() {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  find("station-name").focus({ preventScroll: true });
  find("station").scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}

// What is shown

const nameOf = (id) => called(known.stations.get(id) ?? { station_id: id });

function showMap() {
  if (!known.stations.size) return;
  const { step, rows } = hours.shown;
  const now = step === 0;
  const kinds = marks(shown.view, isDark(), now);
  const counts = new Map();
  map.restyle(kinds, isDark(), (id) => {
    const mark = markOf(shown.view, known.stations.get(id), rows?.get(id) ?? null, now);
    counts.set(mark.key, (counts.get(mark.key) ?? 0) + 1);
    return mark;
  });
  const { at } = hours.shown;
  const { old } = hours;
  find("view-bikes").textContent = viewName("bikes", at, old);
  showLegend(find("legend"), { view: shown.view, kinds, counts, at, old, zone: known.zone });
  card.choose(at);
}

/** The hint of a station: its name, and lines of what the map shows. */
function describe(id) {
  const station = known.stations.get(id);
  const { rows } = hours.shown;
  const row = rows?.get(id);
  if (!row) {
    if (station.in_service === false) return [called(station), "Not in service"];
    if (station.num_bikes_available === null) return [called(station), "Not counted yet"];
    const docks = station.num_docks_available;
    return [
      called(station),
      `${counted(station.num_bikes_available, "bike")}${docks === null ? "" : `, ${counted(docks, "free dock")}`}`,
    ];
  }
  return [
    called(station),
    `${clock(hours.shown.at, known.zone)}: about ${counted(Math.round(row.bikes), "bike")} (${row.p10}–${row.p90})`,
    `No bikes ${percent(row.p_empty)}${row.p_full === null ? "" : `, no free dock ${percent(row.p_full)}`}`,
  ];
}

function showRisksPanel() {
  const words =
    trouble?.kind === "none"
      ? "No forecast has been made yet."
      : trouble
        ? "Not known at the moment."
        : null;
  const fits = known.risks && known.risks.kind === shown.kind && known.risks.hours === shown.within;
  showRisks(find("risks"), {
    answer: fits ? known.risks : null,
    zone: known.zone,
    name: nameOf,
    open: (id) => openStation(id),
    chosen: known.station?.id ?? null,
    trouble: words,
  });
}

function showTrustPanel() {
  const { accuracy, model, head, observedAt, zone } = known;
  showTrust(find("trust"), { accuracy, model, head, observedAt, zone, trouble: trouble !== null });
}

/** How things stand, for the notices. */
const standing = () => ({
  trouble: trouble?.kind ?? null,
  observedAt: known.observedAt,
  head: known.head,
  zone: known.zone,
});

const showFresh = () => showFreshness(find("fresh"), standing());

const showBanner = () =>
  showNotice(find("banner"), standing(), { again: () => refresh(), key: () => askForKey() });

// What people do

function askForKey() {
  const dialog = find("key");
  refused = key.get();
  find("key-wrong").textContent = refused ? "The service does not take this key." : "";
  if (!dialog.open) dialog.showModal();
}

find("key")
  .querySelector("form")
  .addEventListener("submit", (event) => {
    event.preventDefault();
    key.set(find("key-value").value.trim());
    find("key-value").value = "";
    find("key").close();
    refresh();
  });
find("key-later").addEventListener("click", () => find("key").close());
find("key").addEventListener("close", () => {
  declined = true;
});

for (const input of document.querySelectorAll("input[name=view]")) {
  input.addEventListener("change", () => {
    shown.view = input.value;
    if (input.value !== "bikes" && input.value !== shown.kind) chooseKind(input.value);
    showMap();
  });
}

function chooseKind(kind) {
  shown.kind = kind;
  for (const each of ["empty", "full"]) {
    const tab = find(`tab-${each}`);
    tab.setAttribute("aria-selected", String(each === kind));
    tab.tabIndex = each === kind ? 0 : -1;
  }
  find("risks").setAttribute("aria-labelledby", `tab-${kind}`);
  showRisksPanel();
  listRisks();
}

for (const kind of ["empty", "full"]) {
  find(`tab-${kind}`).addEventListener("click", () => chooseKind(kind));
  find(`tab-${kind}`).addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const other = kind === "empty" ? "full" : "empty";
    chooseKind(other);
    find(`tab-${other}`).focus();
  });
}

find("within").addEventListener("change", (event) => {
  shown.within = Number(event.target.value);
  showRisksPanel();
  listRisks();
});

find("system").addEventListener("change", (event) => {
  history.pushState(null, "", `#${encodeURIComponent(event.target.value)}`);
  useSystem(event.target.value);
  showRisksPanel();
  showTrustPanel();
  refresh();
});

function fragment() {
  try {
    return location.hash.slice(1).split("/", 2).map(decodeURIComponent);
  } catch {
    return []; // a cut-off percent sign
  }
}

addEventListener("popstate", () => {
  const [system, station] = fragment();
  if (
    system &&
    system !== known.system &&
    known.systems.some((each) => each.system_id === system)
  ) {
    useSystem(system);
    refresh();
  } else if (station) openStation(station, { quietly: true });
  else closeStation({ quietly: true });
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && known.station && !event.defaultPrevented && !find("key").open)
    closeStation();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && Date.now() - lastTry > AGAIN_MS / 2) refresh();
});
addEventListener("online", () => refresh());
setInterval(() => {
  const wereOld = hours.old;
  hours.counted(known.observedAt);
  if (hours.old !== wereOld) showMap();
  showFresh();
  showBanner();
}, 30_000);

watchTheme(find("theme"), showMap);
showRisksPanel();
showTrustPanel();
refresh();
