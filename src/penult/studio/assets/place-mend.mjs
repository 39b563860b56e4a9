/** What the audit found, one by one: keep, change the label, or exclude the photo. */

import { photo } from "./api.mjs";
import { ClassButtons } from "./class-buttons.mjs";
import { button, element, keycap } from "./dom.mjs";
import { known, number, probability, t } from "./i18n.mjs";
import { PhotoCache } from "./photo-cache.mjs";
import { whenReady } from "./when-ready.mjs";

/** @typedef {import("./app.mjs").App} App */
/** @typedef {import("./types.d.ts").Finding} Finding */

const PAIRS = ["copy", "near_copy", "group"]; // kinds that are about two photos

/** @param {HTMLElement} root @param {App} app @param {import("./types.d.ts").PlaceOptions} options @returns {import("./types.d.ts").Place} */
export function mount(root, app, options) { return whenReady(root, app, () => new MendPlace(root, app, String(options.kind ?? ""))); }

class MendPlace {
  keys = /** @type {[string, string][]} */ ([["Enter", "keys.mend_keep"], ["1 9", "keys.mend_change"], ["Delete", "keys.mend_exclude"], ["← →", "keys.mend_step"], ["Backspace", "keys.undo"], ["Shift Backspace", "keys.redo"]]);
  /** @type {Finding[]} */ #findings = [];
  /** @type {Record<string, number>} */ #expected = {};
  /** @type {Finding | null} */ #now = null;
  #bar = element("div", { class: "mend-bar" });
  #pair = element("div", { class: "mend-pair" });
  #why = element("div", { class: "mend-why", "aria-live": "polite" });
  #acts = element("div", { class: "mend-acts" });
  #more = element("div", { class: "mend-more" });
  /** @type {(() => void)[]} */ #off;

  /** @param {HTMLElement} root @param {App} app @param {string} kind only findings of this kind; "": all */
  constructor(root, app, kind) {
    this.root = root;
    this.app = app;
    this.kind = kind;
    this.cache = new PhotoCache(app, () => this.#draw());
    this.buttons = new ClassButtons(app, (label) => this.#change(label));
    this.#off = [app.on("foreign", () => this.#load()), app.on("classes", () => this.buttons.draw())];
    this.#load();
  }

  close() {
    for (const end of this.#off) end();
    this.cache.close();
  }

  /** Ask for the findings; go on where nothing was decided yet. */
  async #load() {
    const before = new Map(this.#findings.map((one) => [one.id, one.decision])), current = this.#now?.id;
    const answer = await this.app.get("/api/findings").catch(() => null);
    if (!answer) return;
    this.#findings = answer.findings;
    this.#expected = answer.expected ?? {};
    const undone = this.#findings.find((one) => one.decision === null && before.get(one.id));
    this.#go(undone ?? this.#shown().find((one) => one.id === current) ?? this.#open()[0] ?? null);
  }

  #shown() { return this.#findings.filter((one) => !this.kind || one.kind === this.kind); }

  #open() { return this.#shown().filter((one) => one.decision === null); }

  /** @param {Finding | null} finding */
  #go(finding) {
    this.#now = finding;
    const at = finding ? this.#shown().indexOf(finding) : 0, ahead = this.#shown().slice(Math.max(0, at), at + 4);
    this.cache.want(ahead.flatMap((one) => (one.related === null ? [one.n] : [one.n, one.related])));
    for (const one of ahead.slice(1)) for (const n of [one.n, one.related]) this.#fetch(n);
    this.#draw();
  }

  /** Have the photo in the browser before it is shown. @param {number | null} n */
  #fetch(n) {
    const one = n === null ? null : this.cache.get(n);
    if (one) new Image().src = photo(one.n, one.digest, 800);
  }

  /** @param {number} step */
  #step(step) {
    const shown = this.#shown(), at = this.#now ? shown.indexOf(this.#now) + step : shown.length - 1;
    if (at >= 0 && at < shown.length) this.#go(shown[at]);
  }

  /** @param {string} decision @param {Record<string, any>} [fields] */
  async #decide(decision, fields = {}) {
    const now = this.#now;
    if (!now) return;
    now.decision = /** @type {Finding["decision"]} */ (decision);
    const shown = this.#shown(), open = this.#open();
    this.#go(open.find((one) => shown.indexOf(one) > shown.indexOf(now)) ?? open[0] ?? null);
    await this.app.act("finding", { finding: now.id, decision, ...fields }).catch(() => { now.decision = null; this.#go(now); });
  }

  /** @param {number} label */
  #change(label) {
    if (label === this.#label(this.#now?.n ?? -1)) this.#decide("keep");
    else this.#decide("change", { label });
  }

  /** Exclude the other photo of a pair, and keep this one. */
  #excludeOther() {
    const other = this.#now?.related ?? null;
    if (other === null) return;
    this.app.act("exclude", { numbers: [other] }).catch(() => {});
    this.#decide("keep");
  }

  /** Undo or redo, and go where the decision was. @param {boolean} [forward] */
  async #turn(forward = false) {
    await (forward ? this.app.redo() : this.app.undo()).catch(() => {});
    await this.#load();
  }

  /** @param {number} n */
  #label(n) { return this.cache.get(n)?.label ?? -1; }

  #draw() {
    const { counts } = this.app.state ?? {}, now = this.#now;
    if (!this.#findings.length) return this.#empty("mend.nothing", t(counts && counts.labelled < 20 ? "mend.nothing_yet" : "mend.nothing_why"), "label", "mend.to_label");
    if (!now) {
      this.#empty("mend.finished", t("mend.finished_why", { count: this.#shown().length }), "done", "mend.to_done");
      this.root.prepend(this.#bar);
      return this.#drawBar();
    }
    this.root.replaceChildren(element("h1", { class: "unseen", text: t("place.mend") }), this.#bar, element("div", { class: "mend" }, this.#pair, element("div", { class: "mend-side" }, this.#why, this.#acts, this.#more)));
    this.#drawBar();
    const pair = now.related !== null;
    this.#pair.classList.toggle("two", pair);
    this.#pair.replaceChildren(this.#figure(now.n, pair ? t("mend.this") : ""), ...(now.related === null ? [] : [this.#figure(now.related, t("mend.other"))]));
    this.#why.replaceChildren(...this.#reason(now));
    this.#drawMore(now);
    const label = this.#label(now.n);
    this.buttons.guess(this.#guesses(now));
    this.buttons.press(label < 0 ? null : label);
    this.#acts.replaceChildren(
      button([t("mend.keep"), keycap(t("key.Enter"))], () => this.#decide("keep"), { class: "main" }),
      element("p", { class: "soft small", text: t(PAIRS.includes(now.kind) && pair ? "mend.change_pair" : "mend.change") }), this.buttons.root,
      element("div", { class: "tools" },
        button([t(pair ? "mend.exclude_this" : "actions.exclude"), keycap(t("key.Delete"))], () => this.#decide("exclude")),
        pair && PAIRS.includes(now.kind) ? button(t("mend.exclude_other"), () => this.#excludeOther()) : null,
        button([t("label.undo"), keycap("⌫")], () => this.#turn(), { class: "plain" })),
    );
  }

  /** What speaks for another class; of a label in doubt the model that had not seen it, not the one that learned from it.
   * @param {Finding} now */
  #guesses(now) {
    if (PAIRS.includes(now.kind)) return [];
    if (now.kind === "label") return now.other !== undefined && now.score ? [{ class: now.other, p: now.score }] : [];
    return this.cache.get(now.n)?.guesses ?? [];
  }

  /** @param {string} title @param {string} why @param {import("./types.d.ts").PlaceName} place @param {string} go */
  #empty(title, why, place, go) {
    this.root.replaceChildren(element("div", { class: "empty" }, element("h1", { text: t(title) }), element("p", { text: why }), element("div", { class: "tools" }, element("a", { class: "main", href: `#/${place}`, text: t(go) }), this.#findings.length ? button(t("label.undo"), () => this.#turn()) : null)));
  }

  #drawBar() {
    const shown = this.#shown(), done = shown.length - this.#open().length, kinds = [...new Set(this.#findings.map((one) => one.kind))];
    const chip = (/** @type {string} */ kind, /** @type {string} */ name) => {
      const left = this.#findings.filter((one) => (!kind || one.kind === kind) && one.decision === null).length;
      return button([name, " ", element("span", { class: "soft", text: number(left) })], () => { this.kind = kind; this.#go(this.#open()[0] ?? null); }, { "aria-pressed": String(kind === this.kind) });
    };
    const said = t("mend.progress", { done, total: shown.length });
    this.#bar.replaceChildren(
      element("div", { class: "chips", role: "group", "aria-label": t("mend.kinds") }, chip("", t("mend.kind_all")), kinds.length > 1 ? kinds.map((kind) => chip(kind, named(kind))) : null),
      element("div", { class: "mend-steps" },
        element("span", { class: "soft small", text: said }), element("progress", { max: Math.max(shown.length, 1), value: done, "aria-label": said }),
        button("←", () => this.#step(-1), { "aria-label": t("mend.previous") }), button("→", () => this.#step(1), { "aria-label": t("mend.next") })),
    );
  }

  /** @param {number} n @param {string} which */
  #figure(n, which) {
    const one = this.cache.get(n);
    if (!one) return element("figure", {}, element("div", { class: "stage" }));
    const label = one.status.includes("excluded") ? t("photos.excluded") : one.label >= 0 ? this.app.className(one.label) : t("photos.unlabelled");
    const image = element("img", { src: photo(n, one.digest, 800), alt: one.file });
    return element("figure", {}, element("div", { class: "stage" }, image), element("figcaption", {}, which ? `${which} ` : "", element("b", { class: one.label >= 0 ? `tag class-${one.label % 8}` : "" }, element("span", { text: label })), element("span", { class: "file", text: one.file })));
  }

  /** @param {Finding} now */
  #reason(now) {
    const one = this.cache.get(now.n), label = this.#label(now.n) >= 0 ? this.#label(now.n) : now.label ?? -1, other = now.related === null ? -1 : this.#label(now.related);
    const guess = one?.guess ?? -1, looks = now.other ?? -1;
    const values = { label: this.app.className(label), guess: this.app.className(guess), p: probability(one?.p ?? 0), other: this.app.className(now.kind === "label" ? looks : other) };
    const lines = [now.kind === "label" && looks < 0 ? t("mend.why_label_plain", values) : known(`mend.why_${now.kind}`) ? t(`mend.why_${now.kind}`, values) : now.suggestion];
    if (now.kind === "label" && now.score) lines.push(now.score > 0.99 ? t("mend.surely_wrong") : t("mend.wrong", { p: probability(now.score) }));
    if (PAIRS.includes(now.kind) && label >= 0 && other >= 0 && label !== other) lines.push(t("mend.two_labels", values));
    const decided = now.decision ? element("p", { class: "decided", text: t(`mend.was_${now.decision}`) }) : null;
    return [element("h2", { text: known(`mend.one_${now.kind}`) ? t(`mend.one_${now.kind}`) : now.title }), ...lines.map((text) => element("p", { text })), decided ?? ""];
  }

  /** @param {Finding} now */
  #drawMore(now) {
    const expected = this.#expected[now.kind], total = this.#findings.filter((one) => one.kind === now.kind).length, open = this.#more.querySelector("details")?.open;
    this.#more.replaceChildren(expected && total > 1 ? element("p", { class: "soft small", text: t("mend.expected", { right: number(expected), count: total }) }) : "",
      element("details", { open }, element("summary", { class: "small", text: t("mend.details") }), element("p", { class: "small soft", text: t("mend.details_text", { reason: now.reason, suggestion: now.suggestion }) })));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const wide = event.ctrlKey || event.metaKey, label = this.app.classKey(event);
    if ((wide && event.key.toLowerCase() === "z") || (!wide && event.key === "Backspace")) this.#turn(event.shiftKey);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.#step(event.key === "ArrowLeft" ? -1 : 1);
    else if (!this.#now) return false;
    else if (label !== null) this.#change(label);
    else if (event.key === "Enter") this.#decide("keep");
    else if (event.key === "Delete") this.#decide("exclude");
    else return false;
    return true;
  }
}

/** @param {string} kind */
const named = (kind) => (known(`mend.kind_${kind}`) ? t(`mend.kind_${kind}`) : kind);
