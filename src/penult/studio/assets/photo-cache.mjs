/** What is known of photos: asked for in lots, kept for some thousands, asked for again when the model is another. */

import { thumb } from "./api.mjs";
import { percent, t } from "./i18n.mjs";

/** @typedef {import("./types.d.ts").Details} Details */

const LOT = 200, KEPT = 4000; // photos a request, photos kept

export class PhotoCache {
  /** @type {Map<number, Details>} */ #known = new Map();
  /** @type {Map<number, number>} model version that a photo's guesses are from */ #from = new Map();
  /** @type {Set<number>} */ #asked = new Set();
  /** @type {() => void} */ #off;

  /** @param {import("./app.mjs").App} app @param {() => void} heard called when more is known */
  constructor(app, heard) {
    this.app = app;
    this.heard = heard;
    this.#off = app.on("changed", (changed) => this.change(changed));
  }

  close() { this.#off(); }

  /** @param {number} n */
  get(n) { return this.#known.get(n); }

  /** Forget all: another tab has changed something. */
  forget() {
    this.#known.clear();
    this.heard();
  }

  /** Ask for what is not known, or is known from an older model. @param {number[]} numbers */
  async want(numbers) {
    const version = this.app.state?.model?.version ?? 0;
    const missing = numbers.filter((n) => !this.#asked.has(n) && (!this.#known.has(n) || this.#from.get(n) !== version));
    for (let first = 0; first < missing.length; first += LOT) {
      const lot = missing.slice(first, first + LOT);
      for (const n of lot) this.#asked.add(n);
      try {
        const { photos } = await this.app.get("/api/details", { numbers: lot.join(",") });
        for (const one of photos) this.#keep(one, version);
      } catch { /* the shell says that the server is away; what is in sight is asked for again at the next scroll */ }
      for (const n of lot) this.#asked.delete(n);
      this.heard();
    }
  }

  /** @param {Details} one @param {number} version */
  #keep(one, version) {
    this.#known.delete(one.n);
    this.#known.set(one.n, one);
    this.#from.set(one.n, version);
    if (this.#known.size <= KEPT) return;
    const oldest = /** @type {number} */ (this.#known.keys().next().value);
    this.#known.delete(oldest);
    this.#from.delete(oldest);
  }

  /** @param {import("./types.d.ts").Changed[]} changed */
  change(changed) {
    for (const { n, label, status } of changed) {
      const one = this.#known.get(n);
      if (one) this.#known.set(n, { ...one, label, status: status ?? one.status });
    }
    this.heard();
  }

  /** What the grid shows of a photo. @param {number} n @returns {import("./virtual-grid.mjs").Facts} */
  facts(n) {
    const one = this.#known.get(n);
    if (!one) return { url: null, name: t("photos.number", { n }), caption: "", look: "" };
    const out = one.status.includes("excluded"), given = one.label >= 0, guessed = !given && one.guess >= 0 && !one.status.includes("none");
    const label = given ? one.label : guessed ? one.guess : -1;
    const shown = label < 0 ? (one.status.includes("none") ? t("photos.none") : "") : this.app.className(label);
    const caption = out ? t("photos.excluded") : guessed ? `${shown}? ${percent(one.p, 0)}` : shown;
    const said = out ? caption : given ? t("photos.said_label", { label: shown }) : guessed ? t("photos.said_guess", { label: shown, p: percent(one.p, 0) }) : shown || t("photos.unlabelled");
    return { url: thumb(n, one.digest), name: `${one.file}, ${said}`, caption, look: `${label >= 0 ? `class-${label % 8}` : ""}${guessed ? " guess" : ""}${out ? " out" : ""}` };
  }
}
