/** The shell: the header with the places, the way from one to another by the address, keys, notices, help. */

import { Api, get, post } from "./api.mjs";
import { button, element, keycap, takesText } from "./dom.mjs";
import { LANGUAGES, current, known, percent, preferred, speak, t } from "./i18n.mjs";
import { PLACES } from "./places.mjs";

/** @typedef {import("./types.d.ts").PlaceName} PlaceName */
/** @typedef {import("./types.d.ts").PlaceOptions} PlaceOptions */

/** What every place is given. */
export class App {
  api = new Api();
  get = get;
  post = post;
  /** @type {import("./types.d.ts").Place | null} */ #place = null;
  /** @type {PlaceName | ""} */ #name = "";
  #notice = /** @type {HTMLElement} */ (document.getElementById("notice"));
  #main = /** @type {HTMLElement} */ (document.getElementById("main"));
  #top = /** @type {HTMLElement} */ (document.getElementById("top"));
  #said = /** @type {HTMLElement} */ (document.getElementById("said"));

  get project() { return this.api.project; }
  get state() { return this.api.state; }
  /** The classes that are not removed, in their order. */
  get classes() { return this.project.classes.filter((one) => !one.removed); }

  /** @param {number} label the name of a class; "" for none */
  className(label) { return this.project.classes[label]?.name ?? ""; }

  /** @param {string} kind @param {Record<string, any>} [fields] */
  act(kind, fields) { return this.api.act(kind, fields); }
  /** @param {Record<string, any>} [fields] */
  undo(fields) { return this.api.undo(fields); }
  /** @param {Record<string, any>} [fields] */
  redo(fields) { return this.api.redo(fields); }

  /** Listen to "state", "changed", "classes", "project", "foreign", "sync", "saved" or "refused" until the returned function is called.
   * @param {string} event @param {(detail: any) => void} listener */
  on(event, listener) {
    const heard = (/** @type {Event} */ one) => listener(/** @type {CustomEvent} */ (one).detail);
    this.api.addEventListener(event, heard);
    return () => this.api.removeEventListener(event, heard);
  }

  /** Tell screen readers, quietly; emptied before, so that the same words twice are heard twice. @param {string} text */
  say(text) {
    this.#said.textContent = "";
    setTimeout(() => { this.#said.textContent = text; }, 30);
  }

  /** The class whose key was pressed, or null. @param {KeyboardEvent} event */
  classKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return null;
    const key = event.key.toLowerCase();
    return this.classes.find((one) => one.key?.toLowerCase() === key)?.number ?? null;
  }

  /** Go to a place. @param {PlaceName} name @param {PlaceOptions} [options] */
  go(name, options = {}) {
    const query = new URLSearchParams(Object.entries(options).map(([key, value]) => [key, String(value)])).toString();
    const wanted = `#/${name}${query ? `?${query}` : ""}`;
    if (location.hash === wanted) this.#follow();
    else location.hash = wanted;
  }

  async start() {
    try {
      await this.api.start();
    } catch (error) {
      await speak(preferred());
      this.#main.replaceChildren(element("p", { class: "empty", text: t(/** @type {any} */ (error).status === 401 ? "shell.no_access" : "shell.no_server") }));
      return;
    }
    await speak(preferred(this.project.language));
    addEventListener("hashchange", () => this.#follow());
    document.addEventListener("keydown", (event) => this.#press(event));
    for (const event of ["sync", "state", "project"]) this.on(event, () => this.#showState());
    this.on("refused", ({ error }) => this.#notify(t("shell.refused", { reason: error.message })));
    this.#draw();
    this.#follow();
    const lost = this.api.lost;
    if (lost) this.tell(t("shell.lost", { count: lost }));
  }

  #draw() {
    document.title = `${this.project.name} · penult studio`;
    const skip = /** @type {HTMLElement} */ (document.querySelector(".skip"));
    skip.textContent = t("shell.skip");
    skip.onclick = (event) => { event.preventDefault(); this.#main.focus(); };
    const languages = Object.entries(LANGUAGES).map(([name, text]) => element("option", { value: name, text, selected: name === current(), lang: name }));
    const choice = element("select", { "aria-label": t("shell.language"), class: "language", onchange: () => this.#change(choice.value) }, languages);
    const links = PLACES.map(([name]) => element("a", { href: `#/${name}`, "data-place": name }, element("i", { class: `icon icon-${name}`, "aria-hidden": "true" }), element("span", { text: t(`place.${name}`) })));
    this.#top.replaceChildren(
      element("p", { class: "brand" }, element("b", { text: "penult" }), " studio ", element("span", { text: this.project.name, title: this.project.source })),
      element("nav", { "aria-label": t("shell.places") }, links),
      element("p", { class: "sync" }, element("span", { id: "score" }), element("span", { id: "sync" })),
      choice,
      button("?", () => this.help(), { class: "round", "aria-label": t("shell.keys"), title: t("shell.keys") }),
    );
    this.#showState();
  }

  /** @param {string} language */
  async #change(language) {
    await speak(language, true);
    await this.api.again().catch(() => {}); // a server that is gone: the page is in the language all the same
    this.#draw();
    this.#enter(true);
  }

  #showState() {
    const { unsaved, trouble, reason } = this.api, sync = document.getElementById("sync"), score = document.getElementById("score");
    if (!sync || !score) return;
    sync.textContent = unsaved ? t("shell.saving", { count: unsaved }) : t("shell.saved");
    sync.dataset.state = trouble ? "trouble" : unsaved ? "saving" : "saved";
    const exam = this.state?.exam;
    score.textContent = exam && exam.score !== null ? t("shell.score", { score: percent(exam.score, 0) }) : "";
    const idle = `shell.idle_${trouble}`;
    if (trouble) this.#notify(t(!unsaved && known(idle) ? idle : `shell.${trouble}`, { count: unsaved, reason }), button(t("shell.retry"), () => this.api.retry()), true);
    else if (this.state?.table) this.#notify(t("shell.table", { reason: this.state.table }), undefined, true);
    else if (this.#notice.dataset.lasting) this.#notify("");
  }

  /** Show a notice above the place: of trouble until it is over, else for some seconds.
   * @param {string} text @param {HTMLElement} [control] @param {boolean} [lasting] */
  #notify(text, control, lasting = false) {
    const kind = lasting ? "yes" : "";
    if (this.#notice.dataset.text === text && this.#notice.dataset.lasting === kind) return;
    Object.assign(this.#notice.dataset, { text, lasting: kind });
    this.#notice.classList.toggle("trouble", lasting);
    this.#notice.hidden = !text;
    this.#notice.replaceChildren(element("span", { text }), ...(control ? [control] : []));
    if (text && !lasting) setTimeout(() => { if (this.#notice.dataset.text === text) this.#notify(""); }, 9000);
  }

  /** Tell everyone, for some seconds, with a control if there is something to do about it. @param {string} text @param {HTMLElement} [control] */
  tell(text, control) { this.#notify(text, control); }

  #follow() {
    const [, name = "", query = ""] = /^#\/(\w+)(?:\?(.*))?$/.exec(location.hash) ?? [];
    const fitting = PLACES.find(([one]) => one === name)?.[0] ?? this.#first();
    this.#options = Object.fromEntries([...new URLSearchParams(query)].map(([key, value]) => [key, key === "numbers" ? value.split(",").map(Number) : /^\d+$/.test(value) ? Number(value) : value]));
    this.#enter(fitting !== this.#name, fitting);
  }

  /** @type {PlaceOptions} */ #options = {};

  #first() { return /** @type {PlaceName} */ (this.project.preparing || this.classes.length < 2 || !this.state?.counts?.labelled ? "begin" : "label"); }

  /** @param {boolean} afresh @param {PlaceName} [name] */
  #enter(afresh, name = this.#name || this.#first()) {
    for (const link of this.#top.querySelectorAll("nav a")) {
      if (link.getAttribute("data-place") === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (!afresh && this.#place?.reset) return this.#place.reset(this.#options);
    const moved = this.#name !== "" && this.#name !== name;
    this.#place?.close();
    this.#name = name;
    const root = element("div", { class: `place place-${name}` });
    this.#main.replaceChildren(root);
    if (moved) this.#main.focus({ preventScroll: true });
    scrollTo(0, 0);
    const mount = /** @type {(typeof PLACES)[number]} */ (PLACES.find(([one]) => one === name))[1];
    this.#place = mount(root, this, this.#options);
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.defaultPrevented || event.isComposing || takesText(event.target) || document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() !== "z" && event.key.toLowerCase() !== "a") return;
    const on = /** @type {Element | null} */ (event.target instanceof Element ? event.target.closest("button, a, summary, [role=option], [role=button]") : null);
    if (on && (event.key === "Enter" || event.key === " ") && !on.hasAttribute("data-photo")) return;
    if (event.key === "?") this.help();
    else if (!this.#place?.key?.(event)) return;
    event.preventDefault();
  }

  /** Show the keys of this place. */
  help() {
    const keys = [...(this.#place?.keys ?? []), ["?", "keys.help"], ["Tab", "keys.tab"]];
    const rows = keys.map(([key, text]) => element("div", {}, element("dt", {}, key.split(" ").map((one) => keycap(known(`key.${one}`) ? t(`key.${one}`) : one))), element("dd", { text: t(text) })));
    const close = button(t("shell.close"), () => dialog.close());
    const dialog = element("dialog", { "aria-labelledby": "help-title", class: "help", onclose: () => dialog.remove() }, element("div", { class: "bar" }, element("h2", { id: "help-title", text: t("shell.keys") }), close), element("dl", {}, rows));
    document.body.append(dialog);
    dialog.showModal();
  }
}

if (document.getElementById("top")) new App().start();
