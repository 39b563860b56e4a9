/** One photo, large, with what is known of it; arrows go to the next ones, keys of classes label it. */

import { photo } from "./api.mjs";
import { ActionBar } from "./action-bar.mjs";
import { button, dot, element } from "./dom.mjs";
import { number, probability, t } from "./i18n.mjs";
import { swipes } from "./touch.mjs";

/** @typedef {import("./app.mjs").App} App */
/** @typedef {import("./types.d.ts").Details} Details */

export class LargeView {
  #box = element("dialog", { class: "photo-dialog", "aria-labelledby": "large-file", tabindex: -1 });
  #picture = element("img", { alt: "" });
  #facts = element("div", { class: "large-facts" });
  #at = 0;
  /** @type {number[]} */ #numbers = [];
  /** @type {(at: number) => void} */ #left = () => {};

  /** @param {App} app @param {import("./photo-cache.mjs").PhotoCache} cache */
  constructor(app, cache) {
    this.app = app;
    this.cache = cache;
    this.bar = new ActionBar(app, { numbers: () => (this.open ? [this.#numbers[this.#at]] : []), excluded: () => this.#known()?.status.includes("excluded") ?? false });
    const side = element("div", { class: "large-side" }, this.#facts, this.bar.root);
    const steps = element("div", { class: "tools" },
      button("←", () => this.#go(-1), { "aria-label": t("large.previous") }), button("→", () => this.#go(1), { "aria-label": t("large.next") }),
      button(t("shell.close"), () => this.#box.close()));
    this.#box.append(element("div", { class: "bar" }, element("h2", { id: "large-file", class: "file" }), steps), element("div", { class: "large-body" }, element("figure", { onclick: () => this.#resize() }, this.#picture), side));
    swipes(this.#picture, { left: () => this.#go(1), right: () => this.#go(-1) });
    this.#box.addEventListener("close", () => this.#left(this.#at));
    this.#box.addEventListener("keydown", (event) => this.#key(event));
    document.body.append(this.#box);
  }

  get open() { return this.#box.open; }

  close() { this.#box.remove(); }

  #known() { return this.cache.get(this.#numbers[this.#at]); }

  /** Show the photo at a position; `left` is told the position when the view is closed.
   * @param {number[]} numbers @param {number} at @param {(at: number) => void} left */
  show(numbers, at, left) {
    this.#numbers = numbers;
    this.#at = at;
    this.#left = left;
    if (!this.open) {
      this.#box.showModal();
      this.#box.focus();
    }
    this.#go(0);
  }

  /** Show the photo in its own size, or fitted again. */
  #resize() { this.#picture.classList.toggle("full"); }

  /** @param {number} step */
  #go(step) {
    if (step) this.#picture.classList.remove("full");
    this.#at = Math.max(0, Math.min(this.#at + step, this.#numbers.length - 1));
    this.cache.want(this.#numbers.slice(Math.max(0, this.#at - 1), this.#at + 4));
    this.draw();
  }

  /** Draw what is known now. */
  draw() {
    if (!this.open) return;
    const one = this.#known(), title = /** @type {HTMLElement} */ (this.#box.querySelector("h2"));
    title.textContent = one?.file ?? "";
    if (!one) return this.#picture.removeAttribute("src");
    const url = photo(one.n, one.digest);
    if (this.#picture.getAttribute("src") !== url) this.#picture.src = url;
    this.#picture.alt = one.file;
    const row = (/** @type {string} */ name, /** @type {import("./dom.mjs").Child | import("./dom.mjs").Child[]} */ value) => element("div", {}, element("dt", { text: t(name) }), element("dd", {}, value));
    const named = (/** @type {number} */ label) => [dot(label), " ", this.app.className(label)];
    const hidden = one.status.includes("exam") && one.label < 0;
    this.#facts.replaceChildren(element("dl", {},
      row("large.label", one.label >= 0 ? named(one.label) : t(one.status.includes("none") ? "photos.none" : "photos.unlabelled")),
      one.status.includes("excluded") ? row("large.status", t("photos.excluded")) : one.status.includes("exam") ? row("large.status", t("photos.exam")) : null,
      hidden ? null : one.guesses?.length ? row("large.guesses", one.guesses.slice(0, 3).map((guess) => element("span", { class: "guess" }, named(guess.class), element("b", { text: probability(guess.p) })))) : null,
      (one.novelty ?? 0) > 1 ? row("large.novelty", t("large.unlike")) : null,
      one.width ? row("large.size", `${number(one.width)} × ${number(one.height)}`) : null,
      one.files?.length > 1 ? row("large.files", one.files.slice(1).map((file) => element("span", { class: "file", text: file }))) : null,
      one.family?.length ? row("large.family", t("large.copies", { count: one.family.length })) : null,
    ));
    this.bar.draw();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.#go(event.key === "ArrowLeft" ? -1 : 1);
    else if (event.key === "v" && this.app.classKey(event) === null) this.#resize();
    else {
      const label = this.app.classKey(event);
      if (!this.bar.key(event)) return;
      if (label !== null) this.#go(1);
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
