/** How good the model is: what the exam says, how it grew, per class, and what would help most. It says nothing on too few photos. */

import { curveChart, intervalChart } from "./charts.mjs";
import { button, dot, element } from "./dom.mjs";
import { known, number, percent, t } from "./i18n.mjs";
import { whenReady } from "./when-ready.mjs";

/** @typedef {import("./app.mjs").App} App */

const FEW = 20, MORE = 20; // exam questions that the server wants for a score; photos that are offered for labelling
const PAUSE = 1500; // ms between two looks while labels come in

/** @param {HTMLElement} root @param {App} app @returns {import("./types.d.ts").Place} */
export function mount(root, app) { return whenReady(root, app, () => show(root, app)); }

/** @param {HTMLElement} root @param {App} app @returns {import("./types.d.ts").Place} */
function show(root, app) {
  let seen = "", pause = 0, closed = false;
  const body = element("div", { class: "quality" });
  root.append(element("h1", { text: t("quality.title") }), body);

  async function load() {
    pause = 0;
    seen = newest(app.state);
    const quality = await app.get("/api/quality").catch(() => null);
    if (!closed && quality) draw(quality);
  }

  /** @param {any} quality */
  function draw({ exam, curve, classes, help, agreement, background, stop }) {
    const focused = body.contains(document.activeElement) ? document.activeElement?.getAttribute("data-act") : null;
    body.replaceChildren(
      element("div", { class: "columns" }, examCard(exam), stopCard(stop, help, exam)),
      element("div", { class: "columns" }, curveCard(curve, exam), element("div", { class: "stack" }, agreementCard(agreement), backgroundCard(background, exam))),
      classesCard(classes),
    );
    if (focused) /** @type {HTMLElement | null} */ (body.querySelector(`[data-act="${focused}"]`))?.focus();
  }

  /** @param {any} exam */
  function examCard(exam) {
    if (exam.score === null) {
      const few = exam.planned < FEW ? [element("p", { text: t("quality.exam_never") })] : [element("p", { text: t("quality.exam_few", { asked: exam.asked, needed: FEW }) }),
        element("progress", { max: FEW, value: exam.asked, "aria-label": t("quality.exam_progress") }), element("p", { class: "soft small", text: t("quality.exam_how") })];
      return element("section", { class: "card score" }, element("h2", { text: t("quality.exam") }), element("p", { class: "big soft", text: "–" }), few);
    }
    const values = { score: percent(exam.score, 0), low: percent(exam.low, 0), high: percent(exam.high, 0), right: exam.right, asked: exam.asked };
    const said = t("quality.exam_said", values);
    return element("section", { class: "card score" }, element("h2", { text: t("quality.exam") }), element("p", { class: "big", text: values.score }), element("p", { text: said }),
      intervalChart(exam.score, exam.low, exam.high, said), element("p", { class: "soft small", text: t("quality.exam_why") }));
  }

  /** @param {any} stop @param {any[]} help @param {any} exam */
  function stopCard(stop, help, exam) {
    const key = stop?.key === "early" && exam.planned < FEW ? "never" : stop?.key;
    const rows = (help ?? []).filter((one) => one.numbers?.length).map((one, i) => {
      const said = t("quality.help", { count: Math.round(one.doubt), label: app.className(one.class) });
      return element("li", {}, element("p", {}, dot(one.class), " ", said), labelThese(one.numbers, `help-${i}`));
    });
    return element("section", { class: "card" }, element("h2", { text: t("quality.next") }),
      stop && known(`quality.stop_${key}`) ? element("p", { class: "stop", text: t(`quality.stop_${key}`, shown(stop.values)) }) : null,
      rows.length ? element("h3", { text: t("quality.helps") }) : null, rows.length ? element("ul", { class: "helps" }, rows) : null);
  }

  /** @param {number[]} numbers @param {string} name */
  function labelThese(numbers, name) {
    const some = numbers.slice(0, MORE);
    return button(t("quality.label_these", { count: some.length }), () => app.go("label", { mode: "doubt", numbers: some }), { "data-act": name });
  }

  /** @param {any[]} curve @param {any} exam */
  function curveCard(curve, exam) {
    const some = (curve ?? []).filter((one) => one.accuracy !== null);
    return element("section", { class: "card" }, element("h2", { text: t("quality.curve") }), some.length > 1 ? curveChart(some) : element("p", { class: "soft", text: t(exam.planned < FEW ? "quality.exam_never" : "quality.curve_few") }),
      some.length > 1 ? element("p", { class: "soft small", text: t("quality.curve_why") }) : null);
  }

  /** @param {any} agreement */
  function agreementCard(agreement) {
    const { asked = 0, same = 0 } = agreement ?? {};
    return element("section", { class: "card" }, element("h2", { text: t("quality.agreement") }), element("p", { text: asked ? t("quality.agreement_said", { same, count: asked }) : t("quality.agreement_few") }),
      asked && same < asked ? element("p", { class: "soft small", text: t("quality.agreement_why") }) : null);
  }

  /** @param {any} background @param {any} exam */
  function backgroundCard(background, exam) {
    const { accuracy = null, low = null, high = null, labels = 0 } = background ?? {}, running = app.state?.background?.running ?? false;
    const values = { score: percent(accuracy ?? 0, 0), low: percent(low ?? 0, 0), high: percent(high ?? 0, 0), labels };
    return element("section", { class: "card" }, element("h2", { text: t("quality.background") }), element("p", { text: t(accuracy !== null ? "quality.background_said" : exam.planned < FEW ? "quality.exam_never" : running ? "quality.background_first" : "quality.background_few", values) }),
      running && accuracy !== null ? element("p", { class: "soft small", text: t("quality.background_running") }) : null);
  }

  /** @param {any[]} classes */
  function classesCard(classes) {
    const share = (/** @type {number | null | undefined} */ part) => (part === null || part === undefined ? element("td", { class: "soft", text: "–" }) : element("td", {}, element("span", { text: percent(part, 0) }), element("meter", { min: 0, max: 1, value: part, "aria-hidden": "true" })));
    const rows = classes.filter((one) => !app.project.classes[one.class]?.removed).map((one) => element("tr", {},
      element("th", { scope: "row" }, dot(one.class), " ", app.className(one.class)), element("td", { text: number(one.labelled) }), share(one.recall), share(one.precision), element("td", { text: one.doubt >= 0.5 ? t("quality.about", { count: Math.round(one.doubt) }) : "–" }),
      element("td", { class: "act" }, button(t("quality.more"), () => app.go("label", { mode: "page", class: one.class }), { "data-act": `more-${one.class}`, "aria-label": t("quality.more_of", { label: app.className(one.class) }) }))));
    const head = ["class", "labelled", "recall", "precision", "doubt"].map((name) => element("th", { scope: "col", title: known(`quality.${name}_why`) ? t(`quality.${name}_why`) : null, text: t(`quality.${name}`) }));
    return element("section", { class: "card" }, element("h2", { text: t("quality.classes") }),
      element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("quality.classes") }, element("table", {}, element("thead", {}, element("tr", {}, head, element("td", {}))), element("tbody", {}, rows))),
      element("p", { class: "soft small", text: t("quality.classes_why") }));
  }

  const off = app.on("state", (state) => { if (newest(state) !== seen && !pause) pause = window.setTimeout(load, PAUSE); });
  load();
  return { close: () => { closed = true; clearTimeout(pause); off(); } };
}

/** What tells whether there is something new to show. @param {import("./types.d.ts").State | null} state */
const newest = (state) => `${state?.seq} ${state?.background?.labels} ${state?.background?.running}`;

const SHARES = ["score", "low", "high", "changed"];

/** The values of a sentence as a person reads them. @param {Record<string, any>} values */
function shown(values = {}) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value === null ? "–" : SHARES.includes(name) ? percent(value) : value]));
}
