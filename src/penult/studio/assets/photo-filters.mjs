/** What of all photos is shown, and in what order: the controls, and the query that they make. */

import { button, element } from "./dom.mjs";
import { t } from "./i18n.mjs";

/** @typedef {import("./app.mjs").App} App */

const STATUSES = ["all", "unlabelled", "labelled", "doubtful", "unlike", "mistakes", "copies", "exam", "none", "excluded"];
const SORTS = ["number", "doubt", "confidence", "novelty", "label", "guess", "file"];
const PAUSE = 250; // ms after the last letter

export class Filters {
  root = element("div", { class: "filters" });
  status = "all";
  /** "", "label-K" or "guess-K" */ group = "";
  text = "";
  sort = "number";
  descending = false;
  #pause = 0;

  /** @param {App} app @param {() => void} changed */
  constructor(app, changed) {
    this.app = app;
    this.changed = changed;
  }

  /** Take over what an address asks for. @param {import("./types.d.ts").PlaceOptions} options */
  take(options) {
    this.status = STATUSES.includes(options.status) ? options.status : "all";
    this.group = options.class !== undefined ? `label-${options.class}` : options.guess !== undefined ? `guess-${options.guess}` : "";
    this.text = String(options.text ?? "");
    this.sort = SORTS.includes(options.sort) ? options.sort : "number";
    this.descending = Boolean(options.descending);
    this.draw();
  }

  /** What `GET /api/photos` is asked. */
  query() {
    const [by, label] = this.group.split("-");
    return { status: this.status, class: by === "label" ? label : null, guess: by === "guess" ? label : null, text: this.text, sort: this.sort, descending: this.descending ? 1 : null };
  }

  /** Whether anything is left out. */
  get narrow() { return this.status !== "all" || this.group !== "" || this.text !== ""; }

  draw() {
    const { classes } = this.app;
    const chips = STATUSES.map((one) => button(t(`photos.status_${one}`), () => this.#set({ status: one }), { "aria-pressed": String(one === this.status), "data-status": one }));
    const choices = (/** @type {string} */ by) => classes.map((one) => element("option", { value: `${by}-${one.number}`, text: t(`photos.group_${by}`, { name: one.name }), selected: this.group === `${by}-${one.number}` }));
    const group = element("select", { "aria-label": t("photos.group"), onchange: () => this.#set({ group: group.value }) },
      element("option", { value: "", text: t("photos.group_all") }),
      element("optgroup", { label: t("photos.group_labels") }, choices("label")),
      element("optgroup", { label: t("photos.group_guesses") }, choices("guess")));
    const text = element("input", { type: "search", value: this.text, placeholder: t("photos.text"), "aria-label": t("photos.text"), oninput: () => {
      clearTimeout(this.#pause);
      this.#pause = window.setTimeout(() => { this.text = text.value; this.changed(); }, PAUSE);
    } });
    const sort = element("select", { "aria-label": t("photos.sort"), onchange: () => this.#set({ sort: sort.value }) }, SORTS.map((one) => element("option", { value: one, text: t(`photos.sort_${one}`), selected: one === this.sort })));
    const turn = button(this.descending ? "↓" : "↑", () => this.#set({ descending: !this.descending }), { class: "turn", "aria-label": t("photos.descending"), "aria-pressed": String(this.descending), title: t("photos.descending") });
    this.root.replaceChildren(element("div", { class: "chips", role: "group", "aria-label": t("photos.show") }, chips), element("div", { class: "tools" }, group, text, element("span", { class: "sorting" }, sort, turn)));
  }

  /** @param {Partial<{status: string, group: string, sort: string, descending: boolean}>} change */
  #set(change) {
    const at = [...this.root.querySelectorAll("button, select, input")].indexOf(/** @type {Element} */ (document.activeElement));
    Object.assign(this, change);
    this.draw();
    if (at >= 0) /** @type {HTMLElement} */ (this.root.querySelectorAll("button, select, input")[at])?.focus();
    this.changed();
  }
}
