// Find a station by name: a combobox with a list, all of it by keyboard, too.

import { html } from "./dom.js";
import { called } from "./words.js";

const MOST = 8;

const simple = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** Stations whose name, number or id has all words, those that begin with them first. */
export function matching(stations, text) {
  const words = simple(text).split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const found = [];
  for (const station of stations) {
    const name = simple(called(station));
    const all = `${name} ${simple(station.short_name ?? "")} ${simple(station.station_id)}`;
    if (!words.every((word) => all.includes(word))) continue;
    const begins = name.startsWith(words[0])
      ? 0
      : new RegExp(`\\b${escaped(words[0])}`).test(name)
        ? 1
        : 2;
    found.push([begins, name, station]);
  }
  found.sort(
    (one, other) => one[0] - other[0] || (one[1] < other[1] ? -1 : one[1] > other[1] ? 1 : 0),
  );
  return found.map((each) => each[2]);
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

export class Search {
  /** @param {{stations: Function, note: Function, open: Function}} told */
  constructor(input, list, count, told) {
    Object.assign(this, { input, list, count, told });
    this.active = -1;
    this.options = [];
    input.addEventListener("input", () => this.#show());
    input.addEventListener("focus", () => input.value && this.#show());
    input.addEventListener("blur", () => this.#close());
    input.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the focus
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.#open(this.options.indexOf(option));
    });
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest?.(
        "input:not([type=range], [type=radio]), select, textarea, dialog",
      );
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.focus();
      input.select();
    });
  }

  #show() {
    const found = matching(this.told.stations(), this.input.value);
    this.stations = found.slice(0, MOST);
    this.options = this.stations.map((station, index) =>
      html(
        "li",
        { role: "option", id: `found-${index}`, "aria-selected": "false" },
        html("span", { class: "name" }, called(station)),
        html("span", { class: "note" }, this.told.note(station)),
      ),
    );
    const asked = this.input.value.trim() !== "";
    const rows =
      this.options.length || !asked
        ? this.options
        : [
            html(
              "li",
              { class: "none", role: "option", "aria-disabled": "true", "aria-selected": "false" },
              "No station has this name",
            ),
          ];
    this.list.replaceChildren(...rows);
    this.list.hidden = !asked;
    this.input.setAttribute("aria-expanded", String(asked));
    this.count.textContent = !asked
      ? ""
      : found.length > MOST
        ? `${MOST} of ${found.length} stations`
        : `${found.length} ${found.length === 1 ? "station" : "stations"}`;
    this.#activate(this.options.length ? 0 : -1);
  }

  #activate(index) {
    this.options[this.active]?.setAttribute("aria-selected", "false");
    this.active = index;
    const option = this.options[index];
    if (option) {
      option.setAttribute("aria-selected", "true");
      option.scrollIntoView({ block: "nearest" });
      this.input.setAttribute("aria-activedescendant", option.id);
    } else {
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  #close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    this.count.textContent = "";
  }

  #open(index) {
    const station = this.stations?.[index];
    if (!station || this.list.hidden) return;
    this.input.value = "";
    this.#close();
    this.told.open(station.station_id);
  }

  #key(event) {
    const last = this.options.length - 1;
    const open = !this.list.hidden;
    if (event.key === "ArrowDown")
      open ? this.#activate(this.active >= last ? 0 : this.active + 1) : this.#show();
    else if (event.key === "ArrowUp" && open)
      this.#activate(this.active <= 0 ? last : this.active - 1);
    else if (event.key === "Enter" && open) this.#open(this.active);
    else if (event.key === "Escape") {
      if (!open) this.input.value = "";
      this.#close();
    } else return;
    event.preventDefault();
  }
}
