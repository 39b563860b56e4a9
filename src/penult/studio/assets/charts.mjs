/** Small charts as SVG: a share with its interval, and how a share grew with the labels. */

import { number, percent, t } from "./i18n.mjs";

/** @param {string} name @param {Record<string, string | number>} [attributes] @param {...(Node | string)} children */
function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** A share on a line from 0% to 100%, with its interval.
 * @param {number} share @param {number} low @param {number} high @param {string} said */
export function intervalChart(share, low, high, said) {
  const wide = 420, x = (/** @type {number} */ part) => 4 + part * (wide - 8);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => svg("g", {}, svg("line", { class: "grid-line", x1: x(part), x2: x(part), y1: 6, y2: 26 }),
    svg("text", { x: x(part), y: 42, "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle" }, percent(part, 0))));
  return svg("svg", { viewBox: `0 0 ${wide} 46`, class: "chart interval", role: "img", "aria-label": said }, ...ticks,
    svg("line", { class: "axis", x1: x(0), x2: x(1), y1: 16, y2: 16 }),
    svg("rect", { class: "area", x: x(low), width: Math.max(2, x(high) - x(low)), y: 9, height: 14, rx: 7 }),
    svg("circle", { class: "point", cx: x(share), cy: 16, r: 6.5 }));
}

/** A step that gives about `count` marks up to `end`: 1, 2 or 5 times a power of ten. @param {number} end @param {number} count */
function step(end, count) {
  const raw = end / count, power = 10 ** Math.floor(Math.log10(Math.max(raw, 1e-9)));
  return [1, 2, 5, 10].map((times) => times * power).find((one) => one >= raw) ?? raw;
}

/** How a share grew with the number of labels, with its interval as a band.
 * @param {{labels: number, accuracy: number, low: number, high: number}[]} curve */
export function curveChart(curve) {
  const wide = 560, high = 250, left = 46, right = 12, top = 10, bottom = 42;
  const most = Math.max(...curve.map((one) => one.labels)), least = Math.max(0, Math.floor(Math.min(...curve.map((one) => one.low)) * 10) / 10);
  const x = (/** @type {number} */ labels) => left + labels / most * (wide - left - right);
  const y = (/** @type {number} */ share) => top + (1 - share) / (1 - least || 1) * (high - top - bottom);
  const by = step(1 - least, 4), rows = Array.from({ length: Math.floor((1 - least) / by + 1e-9) + 1 }, (_, i) => 1 - i * by);
  const every = Math.max(1, step(most, 5)), columns = Array.from({ length: Math.floor(most / every) + 1 }, (_, i) => i * every);
  const line = (/** @type {"accuracy" | "low" | "high"} */ key) => curve.map((one) => `${x(one.labels).toFixed(1)} ${y(one[key]).toFixed(1)}`);
  const last = curve[curve.length - 1];
  const said = t("quality.curve_said", { first: percent(curve[0].accuracy, 0), from: curve[0].labels, last: percent(last.accuracy, 0), to: last.labels });
  return svg("svg", { viewBox: `0 0 ${wide} ${high}`, class: "chart", role: "img", "aria-label": said },
    ...rows.map((share) => svg("g", {}, svg("line", { class: "grid-line", x1: left, x2: wide - right, y1: y(share), y2: y(share) }), svg("text", { x: left - 8, y: y(share) + 4, "text-anchor": "end" }, percent(share, 0)))),
    ...columns.map((labels) => svg("text", { x: x(labels), y: high - bottom + 18, "text-anchor": "middle" }, number(labels))),
    svg("line", { class: "axis", x1: left, x2: wide - right, y1: high - bottom, y2: high - bottom }),
    svg("text", { x: (left + wide - right) / 2, y: high - 4, "text-anchor": "middle" }, t("quality.curve_labels")),
    svg("path", { class: "area", d: `M${[...line("low"), ...line("high").reverse()].join("L")}Z` }),
    svg("path", { class: "line", d: `M${line("accuracy").join("L")}` }),
    ...curve.map((one) => svg("circle", { class: "point", cx: x(one.labels), cy: y(one.accuracy), r: 3.6 })));
}
