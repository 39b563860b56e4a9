/** Alike: a photo, or some, and their look-alikes; those that are left after striking get one label, all at once. */

import { photo } from "./api.mjs";
import { ClassButtons } from "./class-buttons.mjs";
import { button, element, keycap } from "./dom.mjs";
import { number, t } from "./i18n.mjs";
import { turn } from "./label-history.mjs";
import { PickGrid } from "./pick-grid.mjs";

const COUNT = 48;

export class Alike {
  keys = /** @type {[string, string][]} */ ([["1–9", "keys.label_all"], ["← ↑ ↓ →", "keys.move"], ["Space x", "keys.strike"], ["n", "keys.another"], ["v", "keys.look"]]);
  #grid = new PickGrid(t("label.alike_photos"), () => this.#draw());
  stage = this.#grid.root;
  #source = element("div", { class: "alike-source" });
  #title = element("h2", {});
  #what = element("p", { class: "soft small", text: t("label.alike_help") });
  /** @type {number[]} */ #numbers = [];
  /** @type {Set<number>} photos that were shown as a source already */ #seen = new Set();
  #closed = false;
  #asked = 0;
  #busy = false;

  /** @param {HTMLElement} root @param {import("./app.mjs").App} app @param {import("./types.d.ts").PlaceOptions} options */
  constructor(root, app, options) {
    this.app = app;
    this.buttons = new ClassButtons(app, (label) => this.#label(label));
    const another = button([keycap("n"), element("span", { text: t("label.another") })], () => this.#another());
    root.append(element("div", { class: "alike" },
      element("div", { class: "side" }, this.#source, this.#title, this.#what, this.buttons.root, element("div", { class: "tools rest" }, another, button(t("label.none_taken"), () => this.#grid.all(!this.#grid.taken.length), { class: "plain" }))), this.stage));
    if (options.numbers?.length) this.#open(options.numbers);
    else this.#another();
  }

  close() { this.#closed = true; }
  /** @param {import("./types.d.ts").Changed[]} _changed */
  refresh(_changed) {
    this.buttons.draw();
    if (this.#numbers.length) this.#open(this.#numbers);
  }

  /** Begin with the next photo that the model doubts and that is not part of the exam. */
  async #another() {
    const { questions } = await this.app.get("/api/queue", { mode: "doubt", count: 24 });
    if (this.#closed) return;
    /** @type {import("./types.d.ts").Question[]} */ const fitting = questions.filter((/** @type {import("./types.d.ts").Question} */ one) => one.kind !== "exam" && one.kind !== "again");
    const next = fitting.find((one) => !this.#seen.has(one.n)) ?? fitting[0];
    this.stage.focus({ preventScroll: true });
    if (next) await this.#open([next.n]);
    else this.#empty();
  }

  #empty() {
    this.#numbers = [];
    this.#source.replaceChildren();
    this.#grid.show([]);
    this.#title.textContent = t("label.finished");
    this.buttons.enable(false);
  }

  /** @param {number[]} numbers */
  async #open(numbers) {
    this.#numbers = numbers;
    for (const n of numbers) this.#seen.add(n);
    const asked = ++this.#asked;
    this.stage.setAttribute("aria-busy", "true");
    const [{ photos }, details] = await Promise.all([this.app.post("/api/alike", { numbers, count: COUNT }), this.app.get("/api/details", { numbers: numbers.slice(0, 4) })]);
    if (this.#closed || asked !== this.#asked) return;
    this.stage.setAttribute("aria-busy", "false");
    this.#source.replaceChildren(...details.photos.map((/** @type {import("./types.d.ts").Details} */ one) => element("img", { src: photo(one.n, one.digest, 800), alt: one.file })));
    this.#source.classList.toggle("several", details.photos.length > 1);
    const sources = details.photos.map((/** @type {import("./types.d.ts").Details} */ one) => ({ n: one.n, digest: one.digest, similarity: 1, label: one.label }));
    const all = [...sources, ...photos.filter((/** @type {import("./types.d.ts").AlikePhoto} */ one) => !numbers.includes(one.n))];
    this.#grid.show(all.map((one) => ({ n: one.n, digest: one.digest, note: one.label >= 0 ? this.app.className(one.label) : number(one.similarity, 2), taken: one.label < 0 })));
    this.buttons.enable(true);
    this.#draw();
    this.app.say(this.#title.textContent ?? "");
  }

  #draw() { this.#title.textContent = t("label.alike_title", { count: this.#grid.taken.length }); }

  /** @param {number} label */
  async #label(label) {
    const numbers = this.#grid.taken;
    if (!numbers.length || this.#busy) return;
    this.#busy = true;
    this.buttons.flash(label);
    this.stage.classList.add("sent");
    await this.app.act("many", { numbers, label, mode: "alike" }).then(
      () => this.app.say(t("label.page_saved", { count: numbers.length, name: this.app.className(label) })), () => null);
    this.#busy = false;
    this.stage.classList.remove("sent");
    if (!this.#closed) await this.#another();
  }

  /** @param {boolean} forward */
  async history(forward) {
    const answer = await turn(this.app, forward);
    if (answer && !this.#closed && this.#numbers.length) this.#open(this.#numbers);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const label = this.app.classKey(event);
    if (label !== null) this.#label(label);
    else if (event.key === "n") this.#another();
    else return this.#grid.key(event);
    return true;
  }
}
