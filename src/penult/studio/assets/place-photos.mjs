/** All photos: a grid of any size, or the map; what is selected in either is labelled or excluded together. */

import { ActionBar } from "./action-bar.mjs";
import { button, element } from "./dom.mjs";
import { t } from "./i18n.mjs";
import { LargeView } from "./large-view.mjs";
import { MapView } from "./map-view.mjs";
import { PhotoCache } from "./photo-cache.mjs";
import { Filters } from "./photo-filters.mjs";
import { PhotoGrid } from "./virtual-grid.mjs";
import { whenReady } from "./when-ready.mjs";

/** @typedef {import("./app.mjs").App} App */
/** @typedef {import("./types.d.ts").PlaceOptions} PlaceOptions */

const SIZE = "penult-thumbnail", SIZES = { least: 72, most: 320, wide: 128, narrow: 104 }; // pixels

/** @param {HTMLElement} root @param {App} app @param {PlaceOptions} options @returns {import("./types.d.ts").Place} */
export function mount(root, app, options) {
  return whenReady(root, app, () => new PhotosPlace(root, app).take(options));
}

class PhotosPlace {
  /** @type {[string, string][]} */
  keys = [["Arrows", "keys.photos_move"], ["Shift Arrows", "keys.photos_range"], ["Space", "keys.photos_select"], ["Ctrl A", "keys.photos_all"], ["1 … 9", "keys.photos_label"],
    ["Delete", "keys.photos_exclude"], ["Enter", "keys.photos_large"], ["Escape", "keys.photos_clear"], ["Backspace", "keys.undo"], ["Shift Backspace", "keys.redo"]];
  #grid = new PhotoGrid();
  #count = element("b", { class: "count", role: "status" });
  #none = element("div", { class: "empty", hidden: true });
  /** @type {number[] | null} photos that the address names, null: those of the filters */ #given = null;
  /** @type {(() => void)[]} */ #off = [];
  #asked = 0;
  #view = "grid";

  /** @param {HTMLElement} root @param {App} app */
  constructor(root, app) {
    this.app = app;
    this.root = root;
    this.cache = new PhotoCache(app, () => { this.#grid.refresh(); this.map.refresh(); this.large.draw(); this.bar.draw(); });
    this.filters = new Filters(app, () => this.#load());
    this.large = new LargeView(app, this.cache);
    this.bar = new ActionBar(app, { numbers: () => this.#selected(), excluded: () => this.#selected().every((n) => this.cache.get(n)?.status.includes("excluded")), clear: () => this.#clear() });
    this.map = new MapView(app, this.cache, { selected: () => this.bar.draw(), open: (numbers, at) => this.large.show(numbers, at, () => {}) });
    this.#prepareGrid();
    this.#draw();
    this.#off = [
      app.on("changed", (changed) => this.#changed(changed)),
      app.on("foreign", () => { this.cache.forget(); this.#load(true); }),
      app.on("classes", () => { this.filters.draw(); this.cache.forget(); this.bar.draw(); }),
      app.on("state", () => { this.#grid.ask(); this.map.later(); this.#drawUndo(); }),
    ];
  }

  close() {
    for (const end of this.#off) end();
    this.cache.close();
    this.map.close();
    this.large.close();
  }

  /** @param {PlaceOptions} options */
  reset(options) { this.take(options); }

  /** Show what an address asks for. @param {PlaceOptions} options */
  take(options) {
    this.#given = options.numbers ?? null;
    this.filters.take(options);
    this.#show(options.view === "map" ? "map" : "grid");
    this.#load();
    return this;
  }

  #prepareGrid() {
    const grid = this.#grid, narrow = innerWidth < 640;
    grid.setAttribute("aria-label", t("photos.grid"));
    grid.wish = Number(localStorage.getItem(SIZE)) || (narrow ? SIZES.narrow : SIZES.wide);
    grid.facts = (n) => this.cache.facts(n);
    grid.want = (numbers) => this.cache.want(numbers);
    grid.addEventListener("selection", () => this.bar.draw());
    grid.addEventListener("open", () => this.large.show(grid.numbers, grid.focused, (at) => grid.focusOn(at)));
  }

  #draw() {
    const size = element("input", { type: "range", min: SIZES.least, max: SIZES.most, value: this.#grid.wish, "aria-label": t("photos.size"), class: "size", oninput: () => {
      this.#grid.wish = Number(size.value);
      localStorage.setItem(SIZE, size.value);
    } });
    const undo = element("span", { class: "tools" },
      button("↶", () => this.app.undo().catch(() => {}), { class: "round", "data-way": "undo", "aria-label": t("label.undo"), title: t("label.undo") }),
      button("↷", () => this.app.redo().catch(() => {}), { class: "round", "data-way": "redo", "aria-label": t("label.redo"), title: t("label.redo") }));
    const views = ["grid", "map"].map((one) => button(t(`photos.view_${one}`), () => this.#show(one), { "data-view": one }));
    const head = element("div", { class: "photos-head" }, this.#count, undo, element("span", { class: "sizes" }, size), element("div", { class: "segments", role: "group", "aria-label": t("photos.view") }, views));
    this.root.append(element("h1", { class: "unseen", text: t("place.photos") }), element("div", { class: "photos-bar" }, this.filters.root, head), this.#none, this.#grid, this.map.root, this.bar.root);
    this.#drawUndo();
  }

  #drawUndo() {
    for (const one of this.root.querySelectorAll("[data-way]")) /** @type {HTMLButtonElement} */ (one).disabled = !this.app.state?.[one.getAttribute("data-way") === "undo" ? "undo" : "redo"];
  }

  /** @param {string} view */
  #show(view) {
    this.#view = view;
    this.#grid.hidden = view !== "grid";
    this.map.root.hidden = view !== "map";
    for (const one of this.root.querySelectorAll("[data-view]")) one.setAttribute("aria-pressed", String(one.getAttribute("data-view") === view));
    this.root.dataset.view = view;
    if (view === "map") this.map.load();
    this.#empty();
    this.bar.draw();
  }

  #selected() { return this.#view === "map" ? this.map.selected() : this.#grid.selection.among(this.#grid.numbers); }

  #clear() {
    if (this.#view === "map") return this.map.select([]);
    this.#grid.selection.clear();
    this.#grid.changed();
    this.#grid.focusOn(this.#grid.focused);
  }

  /** Ask which photos there are. @param {boolean} [keep] stay where one is */
  async #load(keep = false) {
    const asked = ++this.#asked;
    const { numbers } = this.#given ? { numbers: this.#given } : await this.app.get("/api/photos", this.filters.query()).catch(() => ({ numbers: [] }));
    if (asked !== this.#asked) return;
    this.#grid.show(numbers, keep);
    this.map.among(this.#given || this.filters.narrow ? numbers : null);
    this.#counted();
  }

  #counted() {
    this.#count.textContent = t("photos.count", { count: this.#grid.numbers.length });
    this.#empty();
  }

  #empty() {
    const none = !this.#grid.numbers.length && this.#view === "grid";
    this.#none.hidden = !none;
    this.#grid.hidden = none || this.#view !== "grid";
    if (!none) return;
    const all = button(t("photos.show_all"), () => this.app.go("photos"));
    this.#none.replaceChildren(element("h2", { text: t("photos.nothing") }), element("p", { text: t(`photos.nothing_${this.filters.status === "all" ? "here" : this.filters.status}`) }), element("div", { class: "tools" }, all));
  }

  /** After an act only photos that it changed leave or come; the others stay where the user sees them.
   * @param {import("./types.d.ts").Changed[]} changed */
  async #changed(changed) {
    this.map.color(changed);
    if (this.#given || !this.filters.narrow) return;
    const { numbers } = await this.app.get("/api/photos", this.filters.query()).catch(() => ({ numbers: this.#grid.numbers }));
    const now = new Set(numbers), moved = new Set(changed.map(({ n }) => n)), before = new Set(this.#grid.numbers);
    const back = [...moved].some((n) => now.has(n) && !before.has(n));
    this.#grid.show(back ? numbers : this.#grid.numbers.filter((n) => !moved.has(n) || now.has(n)), true);
    this.#counted();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const one = this.#view === "map" ? this.map.current : this.#grid.current;
    if (!this.#selected().length && one !== null && this.app.classKey(event) !== null) {
      this.app.act("many", { numbers: [one], label: this.app.classKey(event) }).catch(() => {});
      if (this.#view === "grid" && !this.filters.narrow) this.#grid.focusOn(this.#grid.focused + 1);
      return true;
    }
    if (event.key === "Escape" && this.#selected().length) this.#clear();
    else return this.bar.key(event);
    return true;
  }
}
