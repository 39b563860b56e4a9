/** Pages: photos that the model takes for one class. The wrong ones are struck, Enter confirms all others. */

import { ClassButtons } from "./class-buttons.mjs";
import { button, element, keycap } from "./dom.mjs";
import { number, probability, t } from "./i18n.mjs";
import { turn } from "./label-history.mjs";
import { PickGrid } from "./pick-grid.mjs";

const SIZE = "penult-page-size";
const TOUCH = matchMedia("(pointer: coarse)").matches;

export class Pages {
  keys = /** @type {[string, string][]} */ ([["Enter", "keys.confirm"], ["← ↑ ↓ →", "keys.move"], ["Space x", "keys.strike"], ["1–9", "keys.class_page"], ["v", "keys.look"]]);
  #grid = new PickGrid(t("label.page_photos"), () => this.#draw());
  stage = this.#grid.root;
  #title = element("h2", {});
  #expected = element("p", { class: "soft small" });
  #confirm = button([keycap(t("key.Enter")), element("span", { class: "confirm-text" })], () => this.#send(), { class: "main" });
  #sizes = element("div", { class: "segments small", role: "group", "aria-label": t("label.page_size") });
  #label = -1;
  #wrong = 0;
  #size = 24;
  #closed = false;
  #asked = 0;
  #busy = false;

  /** @param {HTMLElement} root @param {import("./app.mjs").App} app @param {import("./types.d.ts").PlaceOptions} options */
  constructor(root, app, options) {
    this.app = app;
    const sizes = app.project.limits.page;
    this.#size = sizes.find((one) => String(one) === localStorage.getItem(SIZE)) ?? sizes[0];
    this.buttons = new ClassButtons(app, (label) => this.#open(label));
    this.#sizes.append(...sizes.map((size) => button(number(size), () => this.#resize(size), { "data-size": size })));
    root.append(element("div", { class: "pages" },
      element("div", { class: "page-head" }, this.buttons.root, element("div", { class: "page-line" }, element("div", {}, this.#title, this.#expected), element("div", { class: "tools" }, this.#sizes, button(t("label.none_taken"), () => this.#grid.all(!this.#grid.taken.length), { class: "plain" }), this.#confirm))), this.stage));
    this.#open(typeof options.class === "number" ? options.class : this.#first());
  }

  close() { this.#closed = true; }
  /** @param {import("./types.d.ts").Changed[]} _changed */
  refresh(_changed) { this.buttons.draw(); this.#open(this.#label); }

  /** The class that is shown where none was asked for: the first. */
  #first() { return this.app.classes[0].number; }

  /** @param {number} size */
  #resize(size) {
    localStorage.setItem(SIZE, String(size));
    this.#size = size;
    this.#open(this.#label);
    this.stage.focus({ preventScroll: true });
  }

  /** @param {number} label */
  async #open(label) {
    this.#label = label;
    this.buttons.press(label);
    for (const one of this.#sizes.children) one.setAttribute("aria-pressed", String(Number(one.getAttribute("data-size")) === this.#size));
    const asked = ++this.#asked;
    this.stage.setAttribute("aria-busy", "true");
    const page = await this.app.get("/api/page", { class: label, count: this.#size });
    if (this.#closed || asked !== this.#asked) return;
    this.stage.setAttribute("aria-busy", "false");
    this.#wrong = page.expected_wrong;
    this.#grid.show(page.photos.map((/** @type {import("./types.d.ts").PagePhoto} */ one) => ({ n: one.n, digest: one.digest, note: probability(one.p), taken: true })));
    this.#draw();
    if (page.photos.length) this.app.say(`${this.#title.textContent} ${this.#expected.textContent}`);
  }

  #draw() {
    const { taken, struck, picks } = this.#grid, name = this.app.className(this.#label);
    this.#title.textContent = picks.length ? t("label.page_title", { count: picks.length, name }) : t("label.page_empty", { name });
    const ready = this.app.state?.model.ready;
    const rounded = this.#wrong >= 1.5 ? Math.round(this.#wrong) : this.#wrong >= 0.5 ? 1 : 0;
    this.#expected.textContent = !picks.length ? t(ready ? "label.page_empty_what" : "label.page_not_ready") : struck.length ? t("label.page_struck", { count: struck.length })
      : `${rounded ? t("label.page_expected", { count: rounded, total: picks.length }) : t("label.page_expected_none")} ${t(TOUCH ? "label.page_how_touch" : "label.page_how")}`;
    /** @type {HTMLElement} */ (this.#confirm.querySelector(".confirm-text")).textContent = taken.length ? t("label.confirm", { count: taken.length, name }) : t("label.confirm_none", { name });
    this.#confirm.disabled = !picks.length || this.#busy;
  }

  async #send() {
    const { taken, struck, picks } = this.#grid;
    if (!picks.length || this.#busy) return;
    this.#busy = true;
    this.#draw();
    this.stage.focus({ preventScroll: true });
    this.stage.classList.add("sent");
    await this.app.act("page", { class: this.#label, accepted: taken, wrong: struck, mode: "page" }).then(
      () => this.app.say(t("label.page_saved", { count: taken.length, name: this.app.className(this.#label) })), () => null);
    this.#busy = false;
    this.stage.classList.remove("sent");
    if (!this.#closed) await this.#open(this.#label);
  }

  /** @param {boolean} forward */
  async history(forward) {
    const answer = await turn(this.app, forward);
    if (answer && !this.#closed) this.#open(this.#label);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const label = this.app.classKey(event);
    if (label !== null) this.#open(label);
    else if (event.key === "Enter") this.#send();
    else return this.#grid.key(event);
    return true;
  }
}
