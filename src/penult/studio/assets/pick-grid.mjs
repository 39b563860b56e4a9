/** Photos of which some are taken: all at first, those that a click or a key strikes are left out. One stop of the Tab key. */

import { photo, thumb } from "./api.mjs";
import { button, element } from "./dom.mjs";
import { t } from "./i18n.mjs";

/** @typedef {{n: number, digest: string, note: string, taken: boolean, fixed?: boolean}} Pick */

let grids = 0;

export class PickGrid {
  root;
  /** @type {Pick[]} */ picks = [];
  #at = 0;
  #id = `picks-${++grids}`;

  /** @param {string} label @param {() => void} changed */
  constructor(label, changed) {
    this.changed = changed;
    this.root = element("div", { class: "picks", role: "listbox", tabindex: 0, "aria-multiselectable": "true", "aria-label": label, "data-photo": "" });
  }

  /** @param {Pick[]} picks */
  show(picks) {
    this.picks = picks;
    this.#at = 0;
    this.root.classList.toggle("dense", picks.length > 24);
    this.root.replaceChildren(...picks.map((one, i) => {
      const item = element("div", { class: "pick", role: "option", id: `${this.#id}-${i}`, onclick: () => { this.#move(i); this.strike(); }, ondblclick: () => this.look() },
        element("img", { src: thumb(one.n, one.digest), alt: "", loading: "eager", draggable: "false" }), element("span", { class: "pick-note", text: one.note }));
      item.dataset.number = String(one.n);
      return item;
    }));
    this.picks.forEach((_, i) => this.#draw(i));
    this.#move(0);
  }

  get taken() { return this.picks.filter((one) => one.taken).map((one) => one.n); }
  get struck() { return this.picks.filter((one) => !one.taken).map((one) => one.n); }

  /** @param {number} i */
  #draw(i) {
    const item = /** @type {HTMLElement | undefined} */ (this.root.children[i]), one = this.picks[i];
    if (!item) return;
    item.setAttribute("aria-selected", String(one.taken));
    item.setAttribute("aria-label", t("label.pick", { number: i + 1, note: one.note, state: t(one.taken ? "label.taken" : "label.struck") }));
  }

  /** @param {number} to */
  #move(to) {
    this.root.children[this.#at]?.classList.remove("at");
    this.#at = Math.max(0, Math.min(this.picks.length - 1, to));
    const item = /** @type {HTMLElement | undefined} */ (this.root.children[this.#at]);
    if (!item) return this.root.removeAttribute("aria-activedescendant");
    item.classList.add("at");
    this.root.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  /** Strike the photo where the keys are, or take it again. */
  strike() {
    const one = this.picks[this.#at];
    if (!one || one.fixed) return;
    one.taken = !one.taken;
    this.#draw(this.#at);
    this.changed();
  }

  /** @param {boolean} taken */
  all(taken) {
    this.picks.forEach((one, i) => {
      if (!one.fixed) one.taken = taken;
      this.#draw(i);
    });
    this.changed();
  }

  /** Show the photo large. */
  look() {
    const one = this.picks[this.#at];
    if (!one) return;
    const close = button(t("shell.close"), () => dialog.close());
    const dialog = element("dialog", { class: "large", "aria-label": t("label.photo_number", { number: one.n + 1 }), onclose: () => { dialog.remove(); this.root.focus({ preventScroll: true }); }, onkeydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "v") dialog.close(); } },
      element("div", { class: "bar" }, element("p", { text: one.note }), close), element("img", { src: photo(one.n, one.digest, 1200), alt: t("label.photo_number", { number: one.n + 1 }) }));
    document.body.append(dialog);
    dialog.showModal();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const columns = getComputedStyle(this.root).gridTemplateColumns.split(" ").length, last = this.picks.length - 1;
    const to = { ArrowLeft: this.#at - 1, ArrowRight: this.#at + 1, ArrowUp: this.#at - columns, ArrowDown: this.#at + columns, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      if (to >= 0 && to <= last) this.#move(to);
    } else if (event.key === " " || event.key === "x") this.strike();
    else if (event.key === "v") this.look();
    else return false;
    return true;
  }
}
