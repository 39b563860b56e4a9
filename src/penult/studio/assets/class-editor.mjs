/** The classes of a project and their keys: add, rename, remove. While photos are prepared, names wait here. */

import { button, dot, element } from "./dom.mjs";
import { t } from "./i18n.mjs";

/** @typedef {import("./app.mjs").App} App */

const DRAFT = "penult-classes";

/** Names that were typed before the server could take them. @returns {string[]} */
const draft = () => JSON.parse(sessionStorage.getItem(DRAFT) ?? "[]");
/** @param {string[]} names */
const keep = (names) => sessionStorage.setItem(DRAFT, JSON.stringify(names));

export class ClassEditor {
  root = element("section", { class: "card classes" });
  #list = element("ol", {});
  #input = element("input", { id: "new-class", autocomplete: "off", maxlength: 100, placeholder: t("classes.example"), "aria-describedby": "class-problem" });
  #problem = element("p", { id: "class-problem", class: "problem", role: "alert" });

  /** @param {App} app */
  constructor(app) {
    this.app = app;
    const form = element("form", { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); this.#add(); } },
      element("label", { for: "new-class", text: t("classes.new") }), element("div", { class: "tools" }, this.#input, element("button", { text: t("classes.add") })), this.#problem);
    this.root.append(element("h2", { text: t("classes.title") }), element("p", { class: "soft small", text: t("classes.why") }), this.#list, form);
    this.draw();
  }

  draw() {
    if (!this.app.project.preparing && draft().length) this.#send();
    const focused = document.activeElement?.id;
    const rows = this.app.classes.map((one) => this.#row(one));
    const waiting = draft().map((name) => element("li", { class: "waiting" }, element("kbd", { text: "…" }), element("span", { text: name }), button("×", () => { keep(draft().filter((other) => other !== name)); this.draw(); }, { class: "plain", "aria-label": t("classes.remove", { name }) })));
    this.#list.replaceChildren(...rows, ...waiting);
    this.#list.hidden = !rows.length && !waiting.length;
    if (focused?.startsWith("class-")) document.getElementById(focused)?.focus();
  }

  /** @param {import("./types.d.ts").ClassName} one */
  #row({ number, name, key }) {
    const field = element("input", { id: `class-name-${number}`, value: name, "aria-label": t("classes.name"), autocomplete: "off", maxlength: 100, onchange: () => this.#rename(number, name, field) });
    const cap = element("input", { id: `class-key-${number}`, class: "cap", value: (key ?? "").toUpperCase(), "aria-label": t("classes.key", { name }), maxlength: 1, size: 1, autocomplete: "off", onfocus: () => cap.select(), onchange: () => this.#rekey(number, cap, key) });
    return element("li", {}, cap, dot(number), field, button("×", () => this.#remove(number, name), { class: "plain", "aria-label": t("classes.remove", { name }) }));
  }

  /** The reason why a name cannot be, or "". @param {string} name @param {number} [except] */
  #objection(name, except) {
    if (!name) return t("classes.empty");
    if (draft().includes(name) || this.app.classes.some((one) => one.name === name && one.number !== except)) return t("classes.twice", { name });
    return "";
  }

  #add() {
    const name = this.#input.value.trim(), objection = this.#objection(name);
    this.#problem.textContent = objection;
    this.#input.focus();
    if (objection) return;
    this.#input.value = "";
    this.app.say(t("classes.added", { name }));
    if (this.app.project.preparing) {
      keep([...draft(), name]);
      this.draw();
    } else this.#change({ do: "add", name });
  }

  #send() {
    const names = draft().filter((name) => !this.app.classes.some((one) => one.name === name));
    keep([]);
    for (const name of names) this.#change({ do: "add", name });
  }

  /** @param {number} number @param {string} before @param {HTMLInputElement} field */
  #rename(number, before, field) {
    const name = field.value.trim(), objection = this.#objection(name, number);
    this.#problem.textContent = objection;
    if (objection) field.value = before;
    else if (name !== before) this.#change({ do: "rename", number, name });
  }

  /** @param {number} number @param {HTMLInputElement} cap @param {string | null} before */
  #rekey(number, cap, before) {
    const key = cap.value.trim().toLowerCase();
    const other = this.app.classes.find((one) => one.key?.toLowerCase() === key && one.number !== number);
    this.#problem.textContent = key && !/^[1-9a-z]$/.test(key) ? t("classes.bad_key") : other ? t("classes.key_taken", { name: other.name }) : "";
    if (this.#problem.textContent) cap.value = (before ?? "").toUpperCase();
    else if (key !== before) this.#change({ do: "key", number, key });
  }

  /** @param {number} number @param {string} name */
  async #remove(number, name) {
    await this.#change({ do: "remove", number });
    this.app.tell(t("classes.removed", { name }), button(t("label.undo"), () => this.app.undo()));
    this.#input.focus();
  }

  /** @param {Parameters<App["api"]["changeClasses"]>[0]} change */
  async #change(change) {
    try {
      await this.app.api.changeClasses(change);
    } catch (error) {
      this.#problem.textContent = /** @type {Error} */ (error).message;
      this.draw();
    }
  }
}
