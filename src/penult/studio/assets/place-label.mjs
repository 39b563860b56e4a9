/** Label: one doubtful photo at a time, pages of photos taken for one class, or the look-alikes of a photo. */

import { button, element } from "./dom.mjs";
import { t } from "./i18n.mjs";
import { Alike } from "./label-alike.mjs";
import { Doubt } from "./label-doubt.mjs";
import { Pages } from "./label-page.mjs";

/** @typedef {import("./app.mjs").App} App */
/** @typedef {import("./types.d.ts").PlaceOptions} PlaceOptions */

const MODES = /** @type {const} */ ({ doubt: Doubt, page: Pages, alike: Alike });
const KEYS = /** @type {[string, string][]} */ ([["Backspace", "keys.undo"], ["Shift Backspace", "keys.redo"], ["Tab", "keys.mode"], ["Escape", "keys.leave"]]);

/** @param {HTMLElement} root @param {App} app @param {PlaceOptions} options @returns {import("./types.d.ts").Place} */
export function mount(root, app, options) {
  const modes = element("div", { class: "segments", role: "group", "aria-label": t("label.modes") });
  const progress = element("p", { class: "soft small label-progress" });
  const undo = button(t("label.undo"), () => history(false), { class: "plain" }), redo = button(t("label.redo"), () => history(true), { class: "plain" });
  const place = element("div", { class: "label-mode" });
  root.append(element("h1", { class: "unseen", text: t("place.label") }), element("div", { class: "label-bar" }, modes, progress, element("div", { class: "tools" }, undo, redo)), place);
  /** @type {Doubt | Pages | Alike | null} */ let mode = null;
  let name = "";

  /** @param {PlaceOptions} wanted */
  function open(wanted) {
    const next = wanted.mode && wanted.mode in MODES ? wanted.mode : name || "doubt";
    mode?.close();
    name = next;
    modes.replaceChildren(...Object.keys(MODES).map((one) => button(t(`label.${one}`), () => app.go("label", { mode: one }), { "aria-pressed": one === name, title: t(`label.${one}_what`) })));
    place.replaceChildren();
    mode = new MODES[/** @type {keyof typeof MODES} */ (name)](place, app, wanted);
    mode.stage.focus({ preventScroll: true });
  }

  /** @param {boolean} forward */
  async function history(forward) {
    mode?.stage.focus({ preventScroll: true });
    await mode?.history(forward);
  }

  function draw() {
    const { counts, undo: can, redo: again } = app.state ?? {};
    progress.textContent = counts ? t("label.progress", { done: counts.labelled, total: counts.photos - counts.excluded }) : "";
    undo.disabled = !can && !app.api.unsaved;
    redo.disabled = !again;
  }

  /** @param {KeyboardEvent} event */
  function key(event) {
    if (event.key === "Tab") {
      if (event.shiftKey || !mode?.stage.contains(document.activeElement)) return false;
      const all = Object.keys(MODES);
      app.go("label", { mode: all[(all.indexOf(name) + 1) % all.length] });
      return true;
    }
    if (event.key === "Escape") {
      mode?.stage.blur();
      return true;
    }
    const undoing = event.key === "Backspace" || (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey));
    if (undoing) history(event.shiftKey);
    else if (event.ctrlKey || event.metaKey || event.altKey) return false;
    return undoing || Boolean(mode?.key(event));
  }

  root.addEventListener("click", (event) => {
    if (event.target instanceof Element && !event.target.closest("button, a, input, select, summary, dialog")) mode?.stage.focus({ preventScroll: true });
  });
  const off = [app.on("state", draw), app.on("sync", draw), app.on("foreign", (changed) => mode?.refresh(changed)), app.on("classes", () => mode?.refresh([])), app.on("refused", () => mode?.refresh([]))];
  if (app.project.preparing || app.classes.length < 2) {
    const why = app.project.preparing ? "label.preparing" : "label.no_classes";
    place.append(element("div", { class: "empty" }, element("h2", { text: t(`${why}_title`) }), element("p", { text: t(why) }), element("p", { class: "tools" }, element("a", { class: "main", href: "#/begin", text: t("label.to_begin") }))));
  } else open(options);
  draw();
  const wake = app.on("project", () => { if (!mode && !app.project.preparing && app.classes.length > 1) open(options); });
  return {
    close: () => { mode?.close(); wake(); for (const end of off) end(); },
    key,
    reset: (wanted) => { if (mode) open(wanted); },
    get keys() { return [...(mode?.keys ?? []), ...KEYS]; },
  };
}
