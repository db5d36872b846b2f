// The map: a Leaflet map with one layer that draws all stations on a canvas. Restyling 2,300 of
// them is one pass over one canvas; nothing is made or thrown away.

import { html, svg } from "./dom.js";
import { palette } from "./scales.js";

const L = window.L;
const AREA_M = 420; // how far around a station a city without tiles is coloured
const NUMBERS_FROM = 8.4; // radius [px] from which a mark wears its number
const REACH = { mouse: 10, touch: 22 }; // how far beside a mark a pointer may be [px]
const LINES_PX = 130; // least distance of the lines of a map without tiles

/** Draws in the map's canvas; all of it is in view as far as the renderer is concerned. */
const Drawing = L.Path.extend({
  options: { interactive: false },

  initialize(draw, options) {
    this._draw = draw;
    L.setOptions(this, options);
  },

  _project() {
    const far = 1e7;
    this._pxBounds = L.bounds([-far, -far], [far, far]);
  },

  _update() {},

  _updatePath() {
    if (this._renderer._drawing) this._draw(this._renderer._ctx, this._renderer._bounds);
  },
});

export class CityMap {
  /**
   * @param {HTMLElement} element where it goes
   * @param {{tiles_url: ?string, tiles_attribution: ?string}} settings
   * @param {{open: Function, describe: Function, say: Function}} told `open(id)` on a click or
   *   Enter, `describe(id)` gives the lines of its hint, `say(text)` for screen readers
   */
  constructor(element, settings, told) {
    this.told = told;
    this.places = []; // {id, at: LatLng, capacity, mark, text, point, radius}
    this.byId = new Map();
    this.kinds = [];
    this.dark = false;
    this.chosen = null;
    this.pointed = null;
    this.tiled = Boolean(settings.tiles_url);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.map = L.map(element, {
      preferCanvas: true,
      renderer: L.canvas({ padding: 0.4 }),
      zoomControl: false,
      attributionControl: false,
      keyboard: false,
      zoomSnap: this.tiled ? 1 : 0.25,
      zoomDelta: 1,
      wheelPxPerZoomLevel: 90,
      minZoom: 8,
      maxZoom: 18,
      zoomAnimation: !calm,
      fadeAnimation: !calm,
      inertia: !calm,
    });
    if (this.tiled) {
      L.tileLayer(settings.tiles_url, { maxZoom: 19 }).addTo(this.map);
      this.#attribution(settings.tiles_attribution);
    }
    L.control.scale({ imperial: false, position: "bottomright", maxWidth: 110 }).addTo(this.map);
    this.#buttons();
    this.map.setView([0, 0], 12);
    // What lies under the marks has a canvas of its own: it need not be drawn again with them.
    this.map.createPane("ground").style.zIndex = "250";
    const under = { pane: "ground", renderer: L.canvas({ pane: "ground", padding: 0.4 }) };
    this.ground = new Drawing((context, bounds) => this.#drawGround(context, bounds), under);
    this.marks = new Drawing((context, bounds) => this.#drawMarks(context, bounds));
    if (!this.tiled) this.ground.addTo(this.map);
    this.marks.addTo(this.map);
    this.hint = L.tooltip({ direction: "top", opacity: 1, className: "hint" });
    this.map.on("zoomend viewreset", () => this.#place());
    this.map.on("mousemove", (event) => this.#point(this.#at(event, REACH.mouse)));
    this.map.on("mouseout", () => this.#point(null));
    this.map.on("movestart", () => this.#point(null));
    this.map.on("click", (event) => {
      const touch = event.originalEvent.pointerType === "touch";
      const hit = this.#at(event, touch ? REACH.touch : REACH.mouse);
      if (hit) told.open(hit.id);
    });
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("blur", () => this.#point(null));
    new ResizeObserver(() => {
      const whole = this.whole;
      this.map.invalidateSize({ pan: false });
      if (whole) this.showAll(false);
    }).observe(element);
    // Who has not moved it sees the whole city, also after the window has changed.
    this.whole = true;
    for (const name of ["pointerdown", "wheel"]) {
      element.addEventListener(
        name,
        () => {
          this.whole = false;
        },
        { passive: true },
      );
    }
  }

  /** Where stations are; those without a place are not on the map. */
  setStations(stations) {
    const before = this.places.map((each) => each.id).join();
    const placed = stations.filter((each) => each.lat !== null && each.lon !== null);
    const moved = placed.some((each) => {
      const known = this.byId.get(each.station_id);
      return !known || known.at.lat !== each.lat || known.at.lng !== each.lon;
    });
    if (!moved && before === placed.map((each) => each.station_id).join()) return;
    this.places = placed.map((each) => ({
      id: each.station_id,
      at: L.latLng(each.lat, each.lon),
      capacity: each.capacity,
      mark: null,
      text: "",
    }));
    this.byId = new Map(this.places.map((each) => [each.id, each]));
    this.hint.remove();
    this.pointed = null;
    this.chosen = this.byId.get(this.chosen?.id) ?? null;
    this.#place();
  }

  /** What each station shows: `look(id)` gives `{key, text}`, `kinds` those keys' marks in order. */
  restyle(kinds, dark, look) {
    this.kinds = kinds;
    if (this.dark !== dark) {
      this.dark = dark;
      this.ground.redraw();
    }
    for (const each of this.places) {
      const { key, text } = look(each.id);
      each.mark = key;
      each.text = text;
    }
    this.marks.redraw();
    if (this.pointed) this.#point(this.pointed, true);
  }

  /** The whole city. */
  showAll(animate = true) {
    if (!this.places.length) return;
    this.whole = true;
    const bounds = L.latLngBounds(this.places.map((each) => each.at));
    const over = this.map.getSize().x > 500 ? 64 : 34; // the choice of views lies on a wide map
    this.map.fitBounds(bounds, {
      paddingTopLeft: [34, over],
      paddingBottomRight: [34, 34],
      maxZoom: 15,
      animate,
    });
  }

  /** Put a ring around a station, or around none; `closer` also goes near it. */
  choose(id, closer) {
    this.chosen = this.byId.get(id) ?? null;
    const hidden = this.chosen && !this.map.getBounds().pad(-0.1).contains(this.chosen.at);
    if (this.chosen && (closer || hidden)) {
      this.whole = false;
      const zoom = closer ? Math.max(this.map.getZoom(), 14.5) : this.map.getZoom();
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.map.setView(this.chosen.at, zoom, { animate: !calm });
    }
    this.marks.redraw();
  }

  #buttons() {
    const button = (name, label, path, act) => {
      const icon = svg(
        "svg",
        { viewBox: "0 0 20 20", width: 18, height: 18, "aria-hidden": "true" },
        svg("path", { d: path }),
      );
      const made = html(
        "button",
        {
          type: "button",
          class: `on-map ${name}`,
          "aria-label": label,
          title: label,
          onclick: act,
        },
        icon,
      );
      return made;
    };
    const Buttons = L.Control.extend({
      options: { position: "topright" },
      onAdd: () => {
        const box = html(
          "div",
          { class: "map-buttons" },
          button("closer", "Closer", "M10 4v12M4 10h12", () => {
            this.whole = false;
            this.map.zoomIn();
          }),
          button("farther", "Farther", "M4 10h12", () => {
            this.whole = false;
            this.map.zoomOut();
          }),
          button(
            "all",
            "Whole city",
            "M3.5 7.5v-4h4M12.5 3.5h4v4M16.5 12.5v4h-4M7.5 16.5h-4v-4",
            () => this.showAll(),
          ),
        );
        L.DomEvent.disableClickPropagation(box);
        for (const name of ["keydown", "pointerdown"]) {
          box.addEventListener(name, (event) => event.stopPropagation());
        }
        return box;
      },
    });
    new Buttons().addTo(this.map);
  }

  /** Whose tiles they are. What is configured may be markup; here it is text. */
  #attribution(markup) {
    const text = new DOMParser().parseFromString(markup ?? "", "text/html").body.textContent;
    if (!text) return;
    const Attribution = L.Control.extend({
      options: { position: "bottomright" },
      onAdd: () => html("p", { class: "attribution" }, text),
    });
    new Attribution().addTo(this.map);
  }

  /** Points and sizes of the marks at this zoom. */
  #place() {
    const zoom = this.map.getZoom();
    const usual = Math.min(13, Math.max(2.7, 4.4 * 1.6 ** (zoom - 12.2)));
    const capacities = this.places.map((each) => each.capacity ?? 0).filter(Boolean);
    this.usual = usual;
    this.numbered = usual >= NUMBERS_FROM / 0.75;
    const mean = capacities.reduce((sum, each) => sum + each, 0) / (capacities.length || 1);
    for (const each of this.places) {
      each.point = this.map.latLngToLayerPoint(each.at);
      const size = each.capacity && mean ? Math.sqrt(each.capacity / mean) : 1;
      each.radius = usual * Math.min(1.35, Math.max(0.75, size));
    }
    this.marks.redraw();
    this.ground.redraw();
  }

  #drawGround(context, bounds) {
    const colours = palette(this.dark);
    const { min, max } = bounds;
    context.fillStyle = colours.ground;
    context.fillRect(min.x, min.y, max.x - min.x, max.y - min.y);
    const metres = 40_075_016 * Math.cos((this.map.getCenter().lat * Math.PI) / 180);
    const radius = Math.max(5, AREA_M / (metres / 2 ** (this.map.getZoom() + 8)));
    context.fillStyle = colours.area;
    context.beginPath();
    for (const { point } of this.places) {
      if (!point || point.x < min.x - radius || point.x > max.x + radius) continue;
      if (point.y < min.y - radius || point.y > max.y + radius) continue;
      context.moveTo(point.x + radius, point.y);
      context.arc(point.x, point.y, radius, 0, 2 * Math.PI);
    }
    context.fill();
    this.#drawLines(context, bounds, colours.lines);
  }

  /** Meridians and parallels at round degrees. */
  #drawLines(context, { min, max }, colour) {
    const west = this.map.layerPointToLatLng(min);
    const east = this.map.layerPointToLatLng(max);
    const perDegree = (max.x - min.x) / (east.lng - west.lng);
    const steps = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
    const step = steps.find((each) => each * perDegree >= LINES_PX) ?? 10;
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.beginPath();
    for (let lon = Math.ceil(west.lng / step) * step; lon < east.lng; lon += step) {
      const x = Math.round(this.map.latLngToLayerPoint([west.lat, lon]).x) + 0.5;
      context.moveTo(x, min.y);
      context.lineTo(x, max.y);
    }
    for (let lat = Math.ceil(east.lat / step) * step; lat < west.lat; lat += step) {
      const y = Math.round(this.map.latLngToLayerPoint([lat, west.lng]).y) + 0.5;
      context.moveTo(min.x, y);
      context.lineTo(max.x, y);
    }
    context.stroke();
  }

  #drawMarks(context, { min, max }) {
    const colours = palette(this.dark);
    const byKind = new Map(this.kinds.map((kind) => [kind.key, []]));
    for (const each of this.places) {
      if (!each.point || !each.mark) continue;
      const { x, y } = each.point;
      if (x < min.x - 20 || x > max.x + 20 || y < min.y - 20 || y > max.y + 20) continue;
      byKind.get(each.mark)?.push(each);
    }
    for (const kind of this.kinds) {
      const here = byKind.get(kind.key);
      if (!here.length) continue;
      // Where marks wear numbers, each is drawn with its own: a mark above another hides both.
      if (this.numbered) for (const each of here) drawKind(context, kind, [each], colours, this);
      else drawKind(context, kind, here, colours, this);
    }
    for (const [place, width] of [
      [this.pointed, 2],
      [this.chosen, 3],
    ]) {
      if (!place?.point) continue;
      const { x, y } = place.point;
      const radius = Math.max(place.radius, 6) + 5;
      for (const [colour, line] of [
        [colours.edge, width + 3],
        [colours.chosen, width],
      ]) {
        context.strokeStyle = colour;
        context.lineWidth = line;
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        context.stroke();
      }
    }
  }

  #at(event, reach) {
    let best = null;
    let least = Infinity;
    for (const each of this.places) {
      const away = each.point.distanceTo(event.layerPoint) - each.radius;
      if (away < reach && away < least) [best, least] = [each, away];
    }
    return best;
  }

  #point(place, again = false) {
    if (place === this.pointed && !again) return;
    this.pointed = place;
    this.map.getContainer().classList.toggle("pointing", Boolean(place));
    if (place) {
      const [name, ...lines] = this.told.describe(place.id);
      const content = html(
        "div",
        {},
        html("b", {}, name),
        lines.map((line) => html("span", {}, line)),
      );
      this.hint.setLatLng(place.at).setContent(content);
      this.hint.options.offset = L.point(0, -place.radius - 6);
      if (!this.map.hasLayer(this.hint)) this.hint.addTo(this.map);
      this.hint.update();
    } else {
      this.hint.remove();
    }
    this.marks.redraw();
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (ways[event.key]) this.#walk(...ways[event.key]);
    else if (event.key === "Enter" || event.key === " ") {
      if (!this.pointed) this.#walk(0, 0);
      else this.told.open(this.pointed.id);
    } else if (event.key === "+" || event.key === "=") this.map.zoomIn();
    else if (event.key === "-") this.map.zoomOut();
    else if (event.key === "0") this.showAll();
    else return;
    if (event.key !== "0") this.whole = false;
    event.preventDefault();
  }

  /** To the nearest station that way, within 45 degrees where there is one. */
  #walk(right, down) {
    if (!this.places.length) return;
    const from = this.pointed ?? this.chosen;
    const origin = from?.point ?? this.map.latLngToLayerPoint(this.map.getCenter());
    let best = null;
    let least = Infinity;
    for (const each of this.places) {
      if (each === from) continue;
      const x = each.point.x - origin.x;
      const y = each.point.y - origin.y;
      const along = x * right + y * down;
      if (from && along <= 0) continue;
      const aside = Math.abs(x * down) + Math.abs(y * right);
      const cost = from ? along + 2 * aside + (aside > along ? 1e6 : 0) : Math.hypot(x, y);
      if (cost < least) [best, least] = [each, cost];
    }
    if (!best) return;
    if (!this.map.getBounds().pad(-0.08).contains(best.at))
      this.map.panTo(best.at, { animate: false });
    this.#point(best);
    this.told.say(this.told.describe(best.id).join(", "));
  }
}

function drawKind(context, kind, places, colours, { usual, numbered }) {
  if (kind.shape === "cross") {
    context.strokeStyle = kind.colour;
    context.lineWidth = 1.4;
    context.beginPath();
    for (const { point, radius } of places) {
      const arm = Math.max(2.2, radius * kind.size * 0.8);
      context.moveTo(point.x - arm, point.y - arm);
      context.lineTo(point.x + arm, point.y + arm);
      context.moveTo(point.x + arm, point.y - arm);
      context.lineTo(point.x - arm, point.y + arm);
    }
    context.stroke();
    return;
  }
  const size = ({ radius }) => (kind.even ? usual : radius) * kind.size;
  const ring = kind.shape === "ring";
  const line = ring ? Math.max(1.6, usual * 0.3) : 0.8;
  const target = kind.shape === "target";
  const inner = (place) => (target && !numbered ? size(place) - usual * 0.32 - 0.8 : size(place));
  circles(context, places, (place) => inner(place) - (ring ? line / 2 : 0));
  context.fillStyle = ring ? colours.area : kind.colour;
  context.fill();
  context.strokeStyle = ring ? kind.colour : colours.edge;
  context.lineWidth = line;
  context.stroke();
  if (target) {
    const width = Math.max(1.3, usual * 0.14);
    circles(context, places, (place) =>
      numbered ? size(place) + width * 1.6 : size(place) - width / 2,
    );
    context.strokeStyle = kind.colour;
    context.lineWidth = width;
    context.stroke();
  }
  if (!kind.label || !numbered) return;
  context.fillStyle = kind.label;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const place of places) {
    const { point, text } = place;
    const room = size(place) - (ring ? line / 2 : 0);
    if (room < NUMBERS_FROM * 0.75 || !text) continue;
    context.font = `650 ${Math.round(Math.min(13, room * (text.length > 1 ? 0.92 : 1.1)))}px Inter, sans-serif`;
    context.fillText(text, point.x, point.y + 0.5);
  }
}

function circles(context, places, size) {
  context.beginPath();
  for (const place of places) {
    const { x, y } = place.point;
    const radius = Math.max(0.6, size(place));
    context.moveTo(x + radius, y);
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }
}
