/** The classes as buttons with their keys, in one order always, and the model's guesses on them. */

import { button, dot, element, keycap } from "./dom.mjs";
import { probability } from "./i18n.mjs";

export class ClassButtons {
  root = element("ul", { class: "class-buttons" });
  /** @type {Map<number, HTMLButtonElement>} */ #buttons = new Map();

  /** @param {import("./app.mjs").App} app @param {(label: number) => void} chosen */
  constructor(app, chosen) {
    this.app = app;
    this.chosen = chosen;
    this.draw();
  }

  draw() {
    this.#buttons = new Map(this.app.classes.map(({ number, name, key }) => {
      const bar = element("span", { class: "share-bar", "aria-hidden": "true" });
      const made = button([key ? keycap(key) : element("kbd", { class: "no-key" }), dot(number), element("span", { class: "name", text: name }), element("span", { class: "share" }), bar], () => this.chosen(number), { "data-class": number });
      return [number, made];
    }));
    this.root.replaceChildren(...[...this.#buttons.values()].map((one) => element("li", {}, one)));
    this.root.classList.toggle("many", this.#buttons.size > 9);
  }

  /** Show the model's guesses; none for an exam question. @param {import("./types.d.ts").Guess[]} guesses */
  guess(guesses) {
    const shares = new Map(guesses.map((one) => [one.class, one.p]));
    for (const [number, made] of this.#buttons) {
      const p = shares.get(number), share = /** @type {HTMLElement} */ (made.querySelector(".share")), bar = /** @type {HTMLElement} */ (made.querySelector(".share-bar"));
      share.textContent = p === undefined ? "" : probability(p);
      bar.style.width = p === undefined ? "0" : `${100 * p}%`;
      made.classList.toggle("best", number === guesses[0]?.class);
    }
  }

  /** @param {boolean} on */
  enable(on) { for (const made of this.#buttons.values()) made.disabled = !on; }

  /** Show for a moment which class was taken. @param {number} number */
  flash(number) {
    const made = this.#buttons.get(number);
    if (!made) return;
    made.classList.remove("taken");
    requestAnimationFrame(() => made.classList.add("taken"));
    setTimeout(() => made.classList.remove("taken"), 350);
  }

  /** @param {number | null} number the one that is pressed */
  press(number) { for (const [one, made] of this.#buttons) made.setAttribute("aria-pressed", String(one === number)); }
}
