/** The map with its tools, and beside it the photo that is looked at and the photos of the lasso. */

import { button, dot, element } from "./dom.mjs";
import { t } from "./i18n.mjs";
import { MapCanvas } from "./map-canvas.mjs";
import { PhotoGrid } from "./virtual-grid.mjs";

/** @typedef {import("./app.mjs").App} App */

const ALIKE = 48; // look-alikes that are selected
const AGAIN = 2000; // ms between two looks at the model's guesses

export class MapView {
  root = element("div", { class: "mapped", hidden: true });
  #grid = new PhotoGrid();
  #seen = element("figure", { class: "seen" });
  #hint = element("p", { class: "soft small" });
  #legend = element("ul", { class: "legend" });
  /** @type {{labels: number[], guesses: number[], p: number[]}} */ #colors = { labels: [], guesses: [], p: [] };
  /** @type {import("./map-canvas.mjs").Places | null} */ places = null;
  #version = -1;
  #timer = 0;

  /**
   * @param {App} app @param {import("./photo-cache.mjs").PhotoCache} cache
   * @param {{selected: () => void, open: (numbers: number[], at: number) => void}} heard
   */
  constructor(app, cache, heard) {
    this.app = app;
    this.cache = cache;
    this.heard = heard;
    this.canvas = new MapCanvas({ visit: (n) => this.#visit(n), select: (numbers) => this.select(numbers) });
    this.canvas.root.setAttribute("aria-label", t("map.name", { count: app.project.photos }));
    this.#grid.wish = 84;
    this.#grid.setAttribute("aria-label", t("map.selected"));
    this.#grid.facts = (n) => cache.facts(n);
    this.#grid.want = (numbers) => cache.want(numbers);
    this.#grid.addEventListener("selection", () => { this.canvas.choose(this.selected()); heard.selected(); });
    this.#grid.addEventListener("open", () => heard.open(this.#grid.numbers, this.#grid.focused));
    this.#draw();
    this.select([]);
  }

  close() {
    clearTimeout(this.#timer);
    this.canvas.close();
  }

  #draw() {
    const tools = ["lasso", "move"].map((one) => button(t(`map.${one}`), () => this.#use(one), { "data-tool": one, "aria-pressed": String(one === "lasso") }));
    const zoom = (/** @type {string} */ shown, /** @type {number} */ times, /** @type {string | null} */ name) => button(shown, () => this.canvas.zoom(times), { "aria-label": name, title: name });
    const zooms = [zoom("+", 1.6, t("map.in")), zoom("−", 1 / 1.6, t("map.out")), zoom(t("map.all"), 0, null)];
    const bar = element("div", { class: "tools map-tools" }, element("div", { class: "segments", role: "group", "aria-label": t("map.drag") }, tools), element("div", { class: "segments", role: "group", "aria-label": t("map.zoom") }, zooms), button(t("map.alike"), () => this.#alike(), { title: t("map.alike_why") }));
    this.root.append(element("div", { class: "plot" }, bar, this.canvas.root, this.#legend), element("div", { class: "map-side" }, this.#seen, this.#hint, this.#grid));
  }

  /** @param {string} tool */
  #use(tool) {
    this.canvas.tool = tool;
    for (const one of this.root.querySelectorAll("[data-tool]")) one.setAttribute("aria-pressed", String(one.getAttribute("data-tool") === tool));
  }

  /** Ask for places and colors, and show them. */
  async load() {
    const colors = this.app.get("/api/colors");
    this.places ??= await this.app.get("/api/map").then((places) => (places.numbers.length ? places : null), () => null);
    this.#colors = await colors.catch(() => this.#colors);
    this.#version = this.app.state?.model?.version ?? 0;
    if (!this.places) { // the map is laid out while one labels
      this.#hint.textContent = t("map.not_yet");
      this.later();
      return;
    }
    if (this.#hint.textContent === t("map.not_yet")) this.select([]);
    this.canvas.show(this.places, this.#colors, this.app.project.classes.length);
    this.#legend.replaceChildren(...this.app.classes.map((one) => element("li", {}, dot(one.number), " ", one.name)), element("li", { class: "soft", text: t("map.hollow") }));
  }

  /** Ask again in a moment, where the map is seen: the model is another now, or the map was not ready. */
  later() {
    if (this.root.hidden || (this.places && this.#version === this.app.state?.model?.version)) return;
    this.#timer ||= window.setTimeout(() => {
      this.#timer = 0;
      if (!this.root.hidden) this.load();
    }, AGAIN);
  }

  /** Photos that are shown more clearly; null: all. @param {number[] | null} numbers */
  among(numbers) { this.canvas.among(numbers); }

  /** @param {import("./types.d.ts").Changed[]} changed */
  color(changed) {
    if (this.root.hidden) return;
    for (const { n, label } of changed) this.#colors.labels[n] = label;
    if (this.places) this.canvas.show(this.places, this.#colors, this.app.project.classes.length);
  }

  refresh() {
    this.#grid.refresh();
    if (this.canvas.current !== null && !this.root.hidden) this.#visit(this.canvas.current);
  }

  get current() { return this.canvas.current; }

  selected() { return this.#grid.selection.among(this.#grid.numbers); }

  /** Select photos: they are shown beside the map, all of them selected. @param {number[]} numbers */
  select(numbers) {
    this.#grid.show(numbers);
    this.#grid.selection.all(numbers);
    this.#grid.changed();
    this.#grid.hidden = !numbers.length;
    this.root.classList.toggle("some", numbers.length > 0);
    this.#hint.textContent = t(numbers.length ? "map.selected_how" : "map.how");
  }

  /** @param {number} n */
  #visit(n) {
    const { url, caption, name, look } = this.cache.facts(n);
    if (!url) this.cache.want([n]);
    this.#seen.replaceChildren(url ? element("img", { src: url, alt: name }) : "", element("figcaption", { class: look }, element("b", { text: caption }), element("span", { class: "file", text: this.cache.get(n)?.file ?? "" })));
  }

  async #alike() {
    const n = this.canvas.current;
    if (n === null) return this.app.say(t("map.alike_first"));
    const { photos } = await this.app.post("/api/alike", { numbers: [n], count: ALIKE }).catch(() => ({ photos: [] }));
    this.select([n, ...photos.map((/** @type {{n: number}} */ one) => one.n).filter((/** @type {number} */ one) => one !== n)]);
    this.app.say(t("actions.count", { count: this.selected().length }));
  }
}
