/** A place that needs the photos: until they are prepared it says so, then it is shown. */

import { element } from "./dom.mjs";
import { t } from "./i18n.mjs";

/** @typedef {import("./types.d.ts").Place} Place */

/** @param {HTMLElement} root @param {import("./app.mjs").App} app @param {() => Place} make @returns {Place} */
export function whenReady(root, app, make) {
  if (!app.project.preparing) return make();
  root.append(element("div", { class: "empty" }, element("h1", { text: t("begin.preparing") }), element("p", {}, element("a", { class: "main", href: "#/begin", text: t("place.begin") }))));
  /** @type {Place | null} */ let place = null;
  const off = app.on("project", () => {
    if (app.project.preparing || place) return;
    root.replaceChildren();
    place = make();
  });
  return { close: () => { off(); place?.close(); }, key: (event) => place?.key?.(event) ?? false, get keys() { return place?.keys ?? []; } };
}
