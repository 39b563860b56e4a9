/** Begin: what there is, the classes and their keys, what cannot be read, and the first step. */

import { element } from "./dom.mjs";
import { ClassEditor } from "./class-editor.mjs";
import { known, number, t } from "./i18n.mjs";

/** @typedef {import("./app.mjs").App} App */

const SHOWN = 200; // unreadable files in the list; the rest is counted

/** @param {HTMLElement} root @param {App} app @returns {import("./types.d.ts").Place} */
export function mount(root, app) {
  const head = element("div", { class: "begin-head" });
  const editor = new ClassEditor(app);
  const facts = element("div", { class: "begin-facts" });
  root.append(head, element("div", { class: "begin-columns" }, editor.root, facts));
  let drawn = "";

  function drawHead() {
    const { preparing } = app.project;
    if (preparing?.error) {
      drawn = "failed";
      head.replaceChildren(element("h1", { text: t("begin.failed") }), element("p", { text: preparing.error }));
      return;
    }
    if (preparing) {
      const share = preparing.total ? preparing.done / preparing.total : 0;
      const name = `stage.${preparing.stage.replaceAll(" ", "_")}`, stage = known(name) ? t(name) : preparing.stage;
      const count = preparing.done ? t("begin.counted", { done: preparing.done, total: preparing.total }) : "";
      if (drawn !== "preparing") {
        const bar = element("progress", { max: 1, "aria-label": t("begin.preparing") });
        head.replaceChildren(element("h1", { text: t("begin.preparing") }), element("p", { class: "soft", text: t("begin.preparing_why") }), element("p", { class: "begin-stage" }), bar);
        drawn = "preparing";
      }
      const bar = /** @type {HTMLProgressElement} */ (head.querySelector("progress"));
      if (preparing.done) bar.value = share;
      else bar.removeAttribute("value");
      /** @type {HTMLElement} */ (head.querySelector(".begin-stage")).replaceChildren(element("b", { text: stage }), " ", count);
      return;
    }
    const counts = app.state?.counts, labelled = counts?.labelled ?? 0, enough = app.classes.length > 1;
    const step = !enough ? "classes" : !labelled ? "first" : counts && counts.unlabelled ? "more" : "all";
    const now = `${step} ${labelled} ${counts?.unlabelled}`;
    if (now === drawn) return;
    drawn = now;
    const go = enough && step !== "all" ? element("a", { class: "main", href: "#/label", text: t(labelled ? "begin.go_on" : "begin.start") }) : step === "all" ? element("a", { class: "main", href: "#/mend", text: t("begin.look") }) : null;
    head.replaceChildren(
      element("h1", { text: t(`begin.title_${step}`, { count: counts?.unlabelled ?? app.project.photos }) }),
      element("p", { class: "soft", text: t(`begin.what_${step}`) }),
      element("p", { class: "begin-step" }, go),
    );
  }

  function drawFacts() {
    const { photos, files, copies, unreadable, source, out, preparing, notes } = app.project, counts = app.state?.counts;
    const rows = [[t("begin.photos"), preparing && !photos ? "…" : number(photos), files > photos ? t("begin.files", { count: files }) : ""]];
    if (counts) rows.push([t("begin.labelled"), number(counts.labelled), counts.excluded ? t("begin.excluded", { count: counts.excluded }) : ""]);
    if (copies) rows.push([t("begin.copies"), number(copies), t("begin.copies_why")]);
    if (!preparing) rows.push([t("begin.unreadable"), number(unreadable.length), ""]);
    const list = unreadable.slice(0, SHOWN).map(({ file, reason, advice }) => element("li", {}, element("span", { class: "file", text: file }), element("span", { text: reason }), advice ? element("small", { class: "soft", text: advice }) : null));
    facts.replaceChildren(
      element("section", { class: "card" },
        element("h2", { text: t("begin.what_is_here") }),
        element("dl", { class: "facts" }, rows.map(([name, value, note]) => element("div", {}, element("dt", { text: name }), element("dd", {}, element("b", { text: value }), note ? element("small", { class: "soft", text: note }) : null)))),
        unreadable.length ? element("details", {}, element("summary", { text: t("begin.unreadable_list", { count: unreadable.length }) }), element("ul", { class: "unreadable" }, list), unreadable.length > SHOWN ? element("p", { class: "soft small", text: t("begin.more", { count: unreadable.length - SHOWN }) }) : null) : null,
        (notes ?? []).map((note) => element("p", { class: "small note-line", text: note })),
        element("p", { class: "soft small where" }, t("begin.from"), " ", element("span", { class: "file", text: source })),
        element("p", { class: "soft small where" }, t("begin.kept"), " ", element("span", { class: "file", text: out })),
        element("p", { class: "soft small", text: t("begin.local") }),
      ),
    );
  }

  const off = [app.on("state", () => { drawHead(); if (!facts.contains(document.activeElement)) drawCounts(); }), app.on("project", () => { drawHead(); drawFacts(); editor.draw(); }), app.on("classes", () => { drawHead(); editor.draw(); })];
  let last = "";
  function drawCounts() {
    const now = JSON.stringify(app.state?.counts);
    if (now !== last) drawFacts();
    last = now;
  }
  drawHead();
  drawFacts();
  return { close: () => { for (const end of off) end(); }, keys: [["Enter", "keys.add_class"]] };
}

