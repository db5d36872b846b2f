// The next 24 hours: which of them the map shows, and the forecasts of the whole city that were
// fetched for them.

import { cityAt, latest, overtaken } from "./api.js";
import { html } from "./dom.js";
import { areOld } from "./notices.js";
import { HOUR, clock, day, dayAndClock, localHour, place, relative, spokenTime } from "./words.js";

const SETTLE_MS = 120; // a slider that is drawn along asks only where it rests
const PLAY_MS = 750;

export class Hours {
  /**
   * @param {Object<string, HTMLElement>} parts slider, hour, ticks, play
   * @param {{show: Function, failed: Function}} told `show()` once an hour is there to be drawn
   */
  constructor(parts, told) {
    Object.assign(this, parts);
    this.told = told;
    this.step = 0;
    this.shown = { step: 0, at: null, rows: null };
    this.rows = new Map(); // step -> Map of rows by station
    this.asking = latest();
    this.settling = 0;
    this.playing = 0;
    this.slider.disabled = this.play.disabled = true;
    this.slider.addEventListener("input", () => {
      this.stop();
      this.#go(Number(this.slider.value));
    });
    this.play.addEventListener("click", () => (this.playing ? this.stop() : this.#play()));
  }

  /** Another forecast, or another system: what was fetched is no longer what is asked for. */
  setForecast(system, head, zone) {
    const same =
      head && this.head && system === this.system && version(head) === version(this.head);
    this.system = system;
    this.zone = zone;
    this.head = head;
    if (!same) {
      this.rows.clear();
      this.#ticks();
      this.slider.disabled = this.play.disabled = !head;
      if (!head) {
        this.stop();
        this.step = Number((this.slider.value = "0"));
        this.shown = { step: 0, at: null, rows: null };
      }
    }
    this.label();
    if (this.step && !this.rows.has(this.step)) this.#fetch(this.step);
    else if (this.step) this.#show();
  }

  /** When a step is: of the forecast's hours, or null for now. */
  time(step) {
    return step && this.head ? Date.parse(this.head.origin_at) + step * HOUR : null;
  }

  /** To the hour of a time [ms]. */
  goToTime(at) {
    if (!this.head) return;
    const step = Math.min(
      24,
      Math.max(1, Math.round((at - Date.parse(this.head.origin_at)) / HOUR)),
    );
    this.stop();
    this.slider.value = String(step);
    this.#go(step);
  }

  stop() {
    clearTimeout(this.playing);
    this.playing = 0;
    this.#playState();
  }

  /** When what is there now was counted [ms], or null. */
  counted(at) {
    this.countedAt = at;
    this.old = areOld(at);
    this.label();
  }

  label() {
    if (!this.zone) return;
    const at = this.time(this.step);
    const [strong, rest] = this.hour.children;
    strong.textContent = at ? dayAndClock(at, this.zone) : this.old ? "Latest" : "Now";
    const when = at
      ? relative(at)
      : this.countedAt
        ? `counted ${clock(this.countedAt, this.zone)}`
        : "not counted yet";
    rest.textContent = `${when} · ${place(this.zone)} time`;
    const spoken = at
      ? `${spokenTime(at, this.zone)}, ${relative(at)}`
      : `${strong.textContent}, ${when}`;
    this.slider.setAttribute("aria-valuetext", spoken);
    this.slider.style.setProperty("--share", String(this.step / 24));
  }

  #go(step) {
    this.step = step;
    this.label();
    clearTimeout(this.settling);
    this.asking.stop();
    if (!step || this.rows.has(step)) this.#show();
    else this.settling = setTimeout(() => this.#fetch(step), SETTLE_MS);
  }

  async #fetch(step) {
    this.hour.classList.add("loading");
    try {
      await this.#load(step, this.asking.next());
      if (step === this.step) this.#show();
    } catch (error) {
      if (overtaken(error)) return;
      this.stop();
      // The slider goes back to what the map shows.
      this.step = this.shown.step;
      this.slider.value = String(this.step);
      this.label();
      this.told.failed(error);
    }
    this.hour.classList.remove("loading");
  }

  async #load(step, signal) {
    const head = this.head;
    const at = new Date(this.time(step)).toISOString().replace(".000", "");
    const answer = await cityAt(this.system, at, signal);
    if (!this.head || version(head) !== version(this.head))
      throw new DOMException("", "AbortError");
    if (version(answer) !== version(head)) {
      // A newer forecast came in between: the page is told, and asks again with its hours.
      this.told.newer();
      throw new DOMException("", "AbortError");
    }
    this.rows.set(step, new Map(answer.stations.map((row) => [row.station_id, row])));
  }

  #show() {
    this.hour.classList.remove("loading");
    this.shown = {
      step: this.step,
      at: this.time(this.step),
      rows: this.step ? this.rows.get(this.step) : null,
    };
    this.told.show();
  }

  #play() {
    const next = async () => {
      const step = this.step >= 24 ? 0 : this.step + 1;
      const started = performance.now();
      if (step && !this.rows.has(step)) {
        try {
          await this.#load(step, this.asking.next());
        } catch (error) {
          this.stop();
          if (!overtaken(error)) this.told.failed(error);
          return;
        }
        if (!this.playing) return;
      }
      this.slider.value = String(step);
      this.#go(step);
      if (step === 24) this.stop();
      else this.playing = setTimeout(next, Math.max(0, PLAY_MS - (performance.now() - started)));
    };
    this.playing = setTimeout(next, 0);
    this.#playState();
  }

  #playState() {
    this.play.setAttribute("aria-pressed", String(Boolean(this.playing)));
  }

  /** Local hours under the slider; a new day has its name. */
  #ticks() {
    this.ticks.replaceChildren();
    if (!this.head) return;
    const marks = [html("span", { class: "tick named" }, "Now")];
    for (let step = 1; step <= 24; step++) {
      const at = this.time(step);
      const hour = localHour(at, this.zone);
      const named = hour % 3 === 0 && step > 1;
      const tick = html("span", {
        class: `tick${named ? " named" : ""}${hour % 6 === 0 ? " main" : ""}`,
      });
      if (named) tick.append(hour === 0 ? day(at, this.zone) : clock(at, this.zone));
      tick.style.left = `${(step / 24) * 100}%`;
      marks.push(tick);
    }
    this.ticks.append(...marks);
  }
}

const version = (head) => `${head.origin_at} ${head.role} ${head.model_version} ${head.issued_at}`;
