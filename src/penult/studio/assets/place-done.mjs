/** Done: train the model, then take it along: report, model file, web page, class folders, labels. */

import { button, element } from "./dom.mjs";
import { known, number, percent, t } from "./i18n.mjs";
import { whenReady } from "./when-ready.mjs";

/** @typedef {import("./app.mjs").App} App */
/** @typedef {import("./types.d.ts").State["job"]} Job */

const SHOWN = 500; // photos that are shown at once
const LEAST = 5; // labels of each class from which training is worth it

/** @param {HTMLElement} root @param {App} app @returns {import("./types.d.ts").Place} */
export function mount(root, app) { return whenReady(root, app, () => new DonePlace(root, app)); }

class DonePlace {
  #train = element("section", { class: "card train" });
  #take = element("section", { class: "card" });
  #news = element("section", { class: "card", hidden: true });
  /** @type {Record<string, string>} where each export went */ #paths = {};
  /** @type {Record<string, string>} where it can be downloaded */ #addresses = {};
  #failed = "";
  #told = "";
  /** @type {() => void} */ #off;

  /** @param {HTMLElement} root @param {App} app */
  constructor(root, app) {
    this.app = app;
    root.append(element("h1", { text: t("done.title") }), element("div", { class: "done" }, this.#train, this.#take, this.#news, this.#commands()));
    this.#off = app.on("state", () => this.#draw());
    this.#draw();
    this.#differences();
  }

  close() { this.#off(); }

  /** Whether there is a finished training. */
  get #trained() { return this.app.project.trained || (this.#job?.kind === "train" && this.#job.state === "done"); }

  get #job() { return this.app.state?.job ?? null; }

  #draw() {
    const job = this.#job, now = JSON.stringify([job, this.app.state?.counts, this.#paths, this.#failed, this.app.project.classes.length]);
    if (now === this.#told) return;
    this.#told = now;
    if (job && job.kind !== "train") {
      if (job.state === "done") this.#paths[job.kind] = job.result?.path ?? "";
      this.#failed = job.state === "failed" ? job.error ?? "" : "";
    }
    if (job?.kind === "train" && job.state === "done") {
      this.app.project.trained = true;
      this.#differences();
    }
    keepFocus(this.#train, () => this.#drawTrain(job));
    keepFocus(this.#take, () => this.#drawTake());
  }

  /** @param {Job} job */
  #drawTrain(job) {
    const counts = this.app.state?.counts, busy = job?.state === "running";
    const values = { count: counts?.labelled ?? 0, classes: this.app.classes.length, left: counts?.unlabelled ?? 0 };
    const enough = values.classes > 1 && values.count >= LEAST * values.classes;
    /** @type {HTMLElement[]} */
    const parts = [element("h2", { text: t("done.train") }), element("p", { text: t(enough ? "done.train_why" : "done.train_few", { ...values, needed: LEAST }) })];
    if (busy) parts.push(this.#progress(job), button(t("done.cancel"), () => this.app.post("/api/job/cancel", {}).catch(() => {}), { "data-act": "cancel" }));
    else parts.push(element("p", { class: "tools" }, button(t(job?.kind === "train" && job.state === "done" ? "done.again" : "done.start"), () => this.#start(), { class: "main", "data-act": "train", disabled: values.classes < 2 || values.count < 2 })));
    if (job?.kind === "train" && !busy) parts.push(element("p", { role: "status", class: job.state === "failed" ? "warning" : "told", text: t(`done.${job.state}`, { reason: job.error ?? "" }) }));
    if (job?.kind === "train" && job.state === "done") parts.push(...scored(job.result));
    if (this.#failed) parts.push(element("p", { role: "alert", class: "warning", text: t("done.failed", { reason: this.#failed }) }));
    this.#train.replaceChildren(...parts);
  }

  /** @param {NonNullable<Job>} job */
  #progress(job) {
    const name = (job.stage ?? "").replaceAll(" ", "_"), stage = known(`stage.${name}`) ? t(`stage.${name}`) : job.stage ?? "";
    const bar = element("progress", { max: job.total || 1, "aria-label": stage || t("done.train") });
    if (job.total) bar.value = job.done;
    return element("div", { class: "at-work" }, element("p", {}, element("b", { text: stage }), " ", job.total ? element("span", { class: "soft", text: t("done.counted", { done: job.done, total: job.total }) }) : null), bar);
  }

  async #start() {
    this.#failed = "";
    await this.app.post("/api/train", {}).catch((error) => { this.#failed = error.message; });
    this.#draw();
  }

  #drawTake() {
    const busy = this.#job?.state === "running", trained = this.#trained, first = busy || !trained;
    const open = trained ? element("a", { class: "open", href: "/run/report.html", target: "_blank", rel: "noopener", text: t("done.open") }) : element("span", { class: "soft small", text: t("done.train_first") });
    const rows = [
      this.#row("report", open), this.#row("model", this.#export("model", {}, first, "done.where")), this.#row("page", this.#export("page", {}, first)),
      this.#row("folders", this.#export("folders", { how: "link" }, busy, "done.link"), this.#export("folders", { how: "copy" }, busy, "done.copy")), this.#row("labels", this.#export("labels", {}, busy)),
    ];
    this.#take.replaceChildren(element("h2", { text: t("done.take") }), element("p", { class: "soft", text: t("done.take_why") }), element("ul", { class: "takes" }, rows));
  }

  /** @param {string} what @param {...HTMLElement} controls */
  #row(what, ...controls) {
    const path = this.#paths[what], address = this.#addresses[what];
    return element("li", {}, element("div", {}, element("h3", { text: t(`done.what_${what}`) }), element("p", { class: "soft small", text: t(`done.why_${what}`) }), path ? element("p", { class: "told small", role: "status" }, t("done.written"), " ", element("span", { class: "file", text: path }), address ? [" ", element("a", { href: address, download: "", text: t("done.download") })] : null) : null), element("div", { class: "tools" }, controls));
  }

  /** @param {string} what @param {object} how @param {boolean} busy @param {string} [name] */
  #export(what, how, busy, name = "done.make") {
    return button(t(name), async () => {
      this.#failed = "";
      const answer = await this.app.post("/api/export", { what, ...how }).catch((error) => { this.#failed = error.message; return {}; });
      if (answer.path) this.#paths[what] = answer.path;
      if (answer.address) this.#addresses[what] = answer.address;
      this.#draw();
    }, { disabled: busy, "data-act": `${what}-${name}`, "aria-label": t("done.make_what", { how: t(name), what: t(`done.what_${what}`) }) });
  }

  /** What changed against the former run, where there is one. */
  async #differences() {
    const answer = await this.app.get("/api/differences").catch(() => null); // former is null where this project was trained less than twice
    this.#news.hidden = !answer?.former;
    if (!answer?.former) return;
    const { score, right, wrong, labels_changed: labels, photos_added: added, photos_removed: removed } = answer;
    const rows = [
      score ? t(score.low > 0 ? "done.better" : score.high < 0 ? "done.worse" : "done.same", { former: percent(score.former), present: percent(score.present), difference: points(score.difference), low: points(score.low), high: points(score.high), count: score.photos }) : null,
      this.#moved("right", right), this.#moved("wrong", wrong), counted("labels_changed", labels), counted("photos_added", added), counted("photos_removed", removed),
    ];
    this.#news.replaceChildren(element("h2", { text: t("done.news") }), element("ul", { class: "news" }, rows.filter((row) => row !== null).map((row) => element("li", {}, row))));
  }

  /** Photos that became right or wrong, with a button that shows them. @param {"right" | "wrong"} which @param {{n?: number}[]} photos */
  #moved(which, photos) {
    if (!photos.length) return null;
    const numbers = photos.flatMap((one) => one.n ?? []).slice(0, SHOWN);
    return [t(`done.became_${which}`, { count: photos.length }), " ", numbers.length ? button(t("done.look"), () => this.app.go("photos", { numbers })) : null];
  }

  #commands() {
    const { out } = this.app.project, lines = [`penult train ${quoted(`${out}/labels.csv`)} --out ${quoted(`${out}/run`)}`, `penult predict ${quoted(`${out}/run/model.penult`)} ${t("done.new_photos")} --csv answers.csv`, `penult export ${quoted(`${out}/run`)} --to html --out ${quoted(`${out}/model.html`)}`, `penult serve ${quoted(`${out}/run/model.penult`)}`];
    return element("details", { class: "card commands" }, element("summary", { text: t("done.commands") }), element("pre", { tabindex: 0 }, element("code", { text: lines.join("\n") })));
  }
}

/** How well the new model does: on the exam's photos, else out of fold on all that it learned from. @param {any} result */
function scored(result) {
  const { value = null, low = null, high = null } = (result?.test ?? result?.scores)?.accuracy ?? {};
  if (value === null) return [];
  const values = { score: percent(value, 0), low: low === null ? "–" : percent(low, 0), high: high === null ? "–" : percent(high, 0), count: result.photos?.[result.test ? "test" : "train"] ?? 0 };
  return [element("p", { text: t(result.test ? "done.score_exam" : "done.score_fold", values) })];
}

/** A difference of shares in points. @param {number} part */
const points = (part) => `${part < 0 ? "−" : "+"}${number(Math.abs(100 * part), 1)}`;

/** @param {string} what @param {any[]} list */
const counted = (what, list) => (list?.length ? t(`done.${what}`, { count: list.length }) : null);

/** Draw something anew without taking the focus from the control that has it. @param {HTMLElement} root @param {() => void} draw */
function keepFocus(root, draw) {
  const name = root.contains(document.activeElement) ? document.activeElement?.getAttribute("data-act") : null;
  draw();
  if (name) /** @type {HTMLElement | null} */ (root.querySelector(`[data-act="${name}"]`))?.focus();
}

/** A path as a shell reads it. @param {string} path */
const quoted = (path) => (/^[\w./~:-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);
