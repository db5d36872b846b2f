// Questions to the API: the key, problem answers, and what supersedes what.

const KEY = "bike_demand.api_key";
const PATIENCE_MS = 30_000;

/** An answer that is none: status 0 if nobody answered at all. */
export class Problem extends Error {
  constructor(status, slug, detail, retryAfter) {
    super(detail);
    this.status = status;
    this.slug = slug;
    this.retryAfter = retryAfter;
  }
}

let unkept = null; // where a browser keeps nothing

export const key = {
  get() {
    try {
      return sessionStorage.getItem(KEY);
    } catch {
      return unkept;
    }
  },
  set(value) {
    unkept = value;
    try {
      sessionStorage.setItem(KEY, value);
    } catch {
      // It is asked for again after a reload.
    }
  },
};

/**
 * What the API holds now: the browser asks with the ETag of what it has, so that what did not
 * change is not sent again.
 */
export async function get(path, query = {}, signal = undefined) {
  const asked = new URLSearchParams(
    Object.entries(query).filter(([, value]) => value !== null && value !== undefined),
  );
  const secret = key.get();
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let response;
  try {
    response = await fetch(asked.size ? `${path}?${asked}` : path, {
      cache: "no-cache",
      headers: secret ? { "X-API-Key": secret } : {},
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
    if (response.ok) return await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "unreachable", "The service does not answer.", null);
  }
  const told = await response.json().catch(() => ({}));
  const slug = String(told.type ?? "").split("#")[1] ?? "";
  const wait = Number(response.headers.get("Retry-After")) || null;
  throw new Problem(response.status, slug, told.detail ?? told.title ?? "", wait);
}

/** Runs one question at a time: a new one takes the place of the one under way. */
export function latest() {
  let current = new AbortController();
  return {
    next() {
      current.abort();
      current = new AbortController();
      return current.signal;
    },
    stop() {
      current.abort();
    },
  };
}

export const overtaken = (error) => error?.name === "AbortError";

/** All stations of a system, page by page. */
export async function allStations(system, signal) {
  const first = await get("/stations", { system_id: system, limit: 5000 }, signal);
  const stations = first.stations;
  for (let after = first.next; after;) {
    const page = await get("/stations", { system_id: system, limit: 5000, after }, signal);
    stations.push(...page.stations);
    after = page.next;
  }
  return { ...first, stations };
}

/** The forecast of all stations at one time, page by page, those of one origin together. */
export async function cityAt(system, at, signal) {
  const asked = { system_id: system, at, limit: 5000 };
  const first = await get("/forecast", asked, signal);
  const stations = first.stations;
  for (let after = first.next; after;) {
    const page = await get("/forecast", { ...asked, after }, signal);
    if (page.origin_at !== first.origin_at) return cityAt(system, at, signal);
    stations.push(...page.stations);
    after = page.next;
  }
  return { ...first, stations };
}
