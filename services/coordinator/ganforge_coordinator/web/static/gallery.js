// The sample grids of a job: the newest renews itself, every version is reachable, Play runs them.

import { whole } from "./chart.js";

const RUN_MS = 6000;
const [FASTEST_MS, SLOWEST_MS] = [70, 500];

const byId = (id) => document.getElementById(id);

export class Gallery {
  constructor({ onshow, announce }) {
    this.well = byId("well");
    this.base = this.well.dataset.base;
    this.network = this.well.dataset.network;
    this.frames = JSON.parse(this.well.dataset.frames);
    this.onshow = onshow;
    this.announce = announce;
    const chosen = Number(this.well.dataset.version);
    this.at = this.frames.findIndex(([version]) => version === chosen);
    this.timer = null;
    byId("play").addEventListener("click", () => (this.timer === null ? this.play() : this.pause()));
    byId("newest").addEventListener("click", () => this.goTo(this.frames.length - 1));
    byId("scrub").addEventListener("input", (event) => {
      const place = Number(event.target.value);
      this.pause();
      this.goTo(place);
    });
    byId("strip").addEventListener("click", (event) => this.#clicked(event));
    byId("grid")?.addEventListener("load", () => this.#fit());
    new ResizeObserver(() => this.#fit()).observe(this.well);
    this.#update();
  }

  /** Takes in a new version; shows it unless somebody looks at an older one. */
  add(version, iteration) {
    if (this.frames.some(([known]) => known === version)) return;
    const follows = this.at === this.frames.length - 1 && this.timer === null;
    this.frames.push([version, iteration]);
    this.#addTile(version, iteration);
    if (follows) this.goTo(this.frames.length - 1);
    else this.#update();
    this.announce(`New samples: version ${version}, iteration ${whole(iteration)}`);
  }

  async goTo(place) {
    const [version, iteration] = this.frames[place];
    this.at = place;
    const source = `${this.base}${version}.png`;
    const picture = new Image();
    picture.src = source;
    // Decoded first, so that the old grid stays until the new one can be drawn at once.
    await picture.decode().catch(() => {});
    if (this.at !== place) return;
    const grid = this.#grid();
    grid.src = source;
    grid.alt = `Samples drawn by ${this.network}, version ${version}`;
    byId("shown").textContent = `version ${version} · iteration ${whole(iteration)}`;
    this.#update();
  }

  play() {
    if (this.frames.length < 2) return;
    let next = this.at >= this.frames.length - 1 ? 0 : this.at;
    const pause = Math.min(SLOWEST_MS, Math.max(FASTEST_MS, RUN_MS / this.frames.length));
    const step = async () => {
      await this.goTo(next);
      if (this.timer === null) return;
      next += 1;
      if (next >= this.frames.length) this.pause();
      else this.timer = setTimeout(step, pause);
    };
    this.timer = setTimeout(step, 0);
    this.#update();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
    this.#update();
  }

  #clicked(event) {
    const link = event.target.closest("a[data-version]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    this.pause();
    this.goTo(this.frames.findIndex(([version]) => version === Number(link.dataset.version)));
  }

  #grid() {
    const known = byId("grid");
    if (known) return known;
    byId("grid-none")?.remove();
    const made = new Image();
    made.id = "grid";
    made.addEventListener("load", () => this.#fit());
    this.well.append(made);
    return made;
  }

  /** Shows the grid as large as there is room, in half steps, so that its pixels stay even. */
  #fit() {
    const grid = byId("grid");
    if (!grid?.naturalWidth) return;
    const room = this.well.clientWidth - 12;
    const times = Math.max(1, Math.floor((2 * room) / grid.naturalWidth) / 2);
    const width = Math.min(room, grid.naturalWidth * times);
    grid.width = width;
    grid.height = Math.round((width * grid.naturalHeight) / grid.naturalWidth);
  }

  #addTile(version, iteration) {
    const link = document.createElement("a");
    link.href = `?version=${version}#samples`;
    link.dataset.version = version;
    const picture = new Image(72, 72);
    picture.loading = "lazy";
    picture.alt = `Version ${version}, iteration ${whole(iteration)}`;
    picture.src = `${this.base}${version}.png`;
    const caption = document.createElement("span");
    caption.setAttribute("aria-hidden", "true");
    caption.textContent = whole(iteration);
    link.append(picture, caption);
    const tile = document.createElement("li");
    tile.append(link);
    byId("strip").append(tile);
    byId("strip-panel").hidden = false;
  }

  #update() {
    const last = this.frames.length - 1;
    const frame = this.frames[this.at];
    const scrub = byId("scrub");
    byId("player").hidden = last < 1;
    scrub.max = Math.max(0, last);
    scrub.value = this.at;
    byId("newest").disabled = this.at >= last;
    byId("play").textContent = this.timer === null ? "Play" : "Pause";
    byId("play").setAttribute("aria-pressed", String(this.timer !== null));
    if (!frame) return;
    scrub.setAttribute("aria-valuetext", `version ${frame[0]}, iteration ${whole(frame[1])}`);
    this.well.dataset.version = frame[0];
    const strip = byId("strip");
    for (const link of strip.querySelectorAll("a[data-version]")) {
      const isShown = Number(link.dataset.version) === frame[0];
      link.toggleAttribute("aria-current", isShown);
      if (isShown) link.setAttribute("aria-current", "true");
      if (isShown) this.#reveal(strip, link);
    }
    this.onshow(frame[1]);
  }

  /** Scrolls the strip, and only the strip, to a tile. */
  #reveal(strip, link) {
    const [tile, view] = [link.getBoundingClientRect(), strip.getBoundingClientRect()];
    if (tile.right > view.right) strip.scrollLeft += tile.right - view.right + 12;
    if (tile.left < view.left) strip.scrollLeft -= view.left - tile.left + 12;
  }
}
