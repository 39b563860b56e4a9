/** What can be done with some photos: a label for all, no label, exclude, look-alikes. Used below the grid, the map and a large photo. */

import { button, dot, element, keycap } from "./dom.mjs";
import { t } from "./i18n.mjs";

/** @typedef {import("./app.mjs").App} App */

export class ActionBar {
  root = element("div", { class: "actions", role: "toolbar", "aria-label": t("actions.name"), hidden: true });
  /** @type {() => number[]} */ #numbers;
  /** @type {() => boolean} */ #excluded;

  /**
   * @param {App} app
   * @param {{numbers: () => number[], excluded: () => boolean, clear?: () => void, done?: () => void}} options the photos that are meant;
   *   whether all of them are excluded; how to give up the selection; what follows an act
   */
  constructor(app, { numbers, excluded, clear, done }) {
    this.app = app;
    this.#numbers = numbers;
    this.#excluded = excluded;
    this.clear = clear;
    this.done = done;
  }

  /** Draw it for the photos that are selected now; hidden where there are none. */
  draw() {
    const count = this.#numbers().length;
    this.root.hidden = !count;
    if (!count) return;
    const focused = this.root.contains(document.activeElement) ? document.activeElement?.getAttribute("data-act") : null;
    const classes = this.app.classes.map((one) =>
      button([dot(one.number), element("span", { text: one.name }), one.key ? keycap(one.key) : null], () => this.label(one.number), { "data-act": `class-${one.number}`, class: "class" }));
    const out = this.#excluded();
    this.root.replaceChildren(
      element("b", { class: "count", text: t("actions.count", { count }) }),
      element("div", { class: "classes" }, classes),
      element("div", { class: "others" },
        button(t("actions.unlabel"), () => this.label(null), { "data-act": "unlabel" }),
        button(t(out ? "actions.include" : "actions.exclude"), () => this.exclude(), { "data-act": "exclude" }),
        button(t("actions.alike"), () => this.app.go("label", { mode: "alike", numbers: this.#numbers().slice(0, 50) }), { "data-act": "alike" }),
        this.clear ? button(t("actions.clear"), this.clear, { "data-act": "clear", class: "plain" }) : null,
      ),
    );
    if (focused) /** @type {HTMLElement | null} */ (this.root.querySelector(`[data-act="${focused}"]`))?.focus();
  }

  /** Give all of them a label; null takes it away. @param {number | null} label */
  async label(label) {
    const numbers = this.#numbers();
    if (!numbers.length) return;
    this.done?.();
    const said = label === null ? t("actions.did_unlabel", { count: numbers.length }) : t("actions.did_label", { count: numbers.length, label: this.app.className(label) });
    await this.app.act("many", { numbers, label }).then(() => this.app.say(said), () => {}); // the shell tells of a refusal
  }

  /** Exclude them, or take them back where all are excluded. */
  async exclude() {
    const numbers = this.#numbers();
    if (!numbers.length) return;
    const kind = this.#excluded() ? "include" : "exclude";
    this.done?.();
    await this.app.act(kind, { numbers }).then(() => this.app.say(t(`actions.did_${kind}`, { count: numbers.length })), () => {});
  }

  /** Keys that act on the photos: those of the classes, Delete, Ctrl+Z. @param {KeyboardEvent} event */
  key(event) {
    const wide = event.ctrlKey || event.metaKey;
    if ((wide && event.key.toLowerCase() === "z") || (!wide && event.key === "Backspace")) (event.shiftKey ? this.app.redo() : this.app.undo()).catch(() => {});
    else if (!this.#numbers().length) return false;
    else {
      const label = this.app.classKey(event);
      if (label !== null) this.label(label);
      else if (event.key === "Delete") this.exclude();
      else return false;
    }
    return true;
  }
}
