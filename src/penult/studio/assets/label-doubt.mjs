/** One large photo and three guesses: a key labels it and goes on, before the server has answered. */

import { photo, thumb } from "./api.mjs";
import { ClassButtons } from "./class-buttons.mjs";
import { button, dot, element, keycap } from "./dom.mjs";
import { probability, t } from "./i18n.mjs";
import { turn } from "./label-history.mjs";
import { swipes } from "./touch.mjs";

/** @typedef {import("./types.d.ts").Question} Question */
/** @typedef {import("./types.d.ts").Answer} Answer */

const AHEAD = 5; // questions that wait, so that a slow answer stops nobody
const LOADED = 3; // of them, with their photos loaded
const SURE = 0.9; // what is surer than that is no doubt, only the least sure of what is left
const RECENT = 6; // answered photos that are shown small
const REMEMBERED = 200; // answered questions that an undo shows again as they were

/** The side of a photo that fills the screen, in steps so that the browser's cache is of use. */
const side = () => Math.min(1600, 400 * Math.ceil(Math.max(innerWidth, innerHeight) * Math.min(devicePixelRatio, 2) / 400));

export class Doubt {
  keys = /** @type {[string, string][]} */ ([["1–9", "keys.label"], ["Space", "keys.skip"], ["0", "keys.none"], ["v", "keys.full"]]);
  stage = element("div", { class: "stage", tabindex: 0, role: "group", "aria-label": t("label.photo"), "data-photo": "" });
  #note = element("p", { class: "soft small note" });
  #second = element("div", { class: "second", hidden: true });
  #recent = element("ol", { class: "recent", "aria-label": t("label.recent") });
  /** @type {Question | null} */ #now = null;
  /** @type {Question[]} */ #next = [];
  /** @type {(Question & {label: number})[]} */ #past = [];
  /** @type {(Question & {label: number})[]} */ #future = [];
  /** @type {Map<number, number>} photos whose act is not acknowledged yet, and how many acts */ #sent = new Map();
  /** @type {Map<number, HTMLImageElement>} */ #images = new Map();
  #fixed = false;
  #closed = false;
  #asked = 0;

  /** @param {HTMLElement} root @param {import("./app.mjs").App} app @param {import("./types.d.ts").PlaceOptions} options */
  constructor(root, app, options) {
    this.app = app;
    this.buttons = new ClassButtons(app, (label) => this.#label(label));
    const none = button([keycap("0"), element("span", { text: t("label.none") })], () => this.#none(), { class: "plain" });
    const skip = button([keycap(t("key.Space")), element("span", { text: t("label.skip") })], () => this.#skip(), { class: "plain" });
    root.append(element("div", { class: "doubt" }, element("div", { class: "side" }, element("h2", { text: t("label.which") }), this.#note, this.#second, this.buttons.root, element("div", { class: "tools rest" }, none, skip), this.#recent), this.stage));
    swipes(this.stage, { right: () => this.#accept(), left: () => this.#skip() });
    this.#load(options.numbers);
  }

  close() { this.#closed = true; }

  /** @param {number[]} [numbers] exactly these photos, instead of those that help the model most */
  async #load(numbers) {
    this.#fixed = Boolean(numbers?.length);
    const asked = ++this.#asked;
    if (numbers?.length) {
      const { photos } = await this.app.get("/api/details", { numbers: numbers.slice(0, 200) });
      if (this.#closed || asked !== this.#asked) return;
      this.#take(photos.map((/** @type {import("./types.d.ts").Details} */ one) => asQuestion(one)));
    } else {
      const { questions } = await this.app.get("/api/queue", { mode: "doubt", count: AHEAD });
      if (!this.#closed && asked === this.#asked) this.#take(questions);
    }
  }

  /** Ask again what comes next: another tab did something, or the classes are others now.
   * @param {import("./types.d.ts").Changed[]} changed */
  refresh(changed) {
    this.buttons.draw();
    const answered = new Set(changed.filter((one) => one.label >= 0 || one.status.length).map((one) => one.n));
    this.#next = this.#next.filter((one) => !answered.has(one.n));
    if (this.#now && answered.has(this.#now.n)) this.#advance();
    if (!this.#fixed) this.#load();
    if (this.#now) this.buttons.guess(this.#now.guesses);
  }

  /** @param {Question[]} questions */
  #take(questions) {
    this.#next = questions.filter((one) => one.n !== this.#now?.n && !this.#sent.has(one.n));
    const kept = new Set([...this.#next, ...(this.#now ? [this.#now] : []), ...this.#past.slice(-2)].map((one) => one.n));
    for (const n of this.#images.keys()) if (!kept.has(n)) this.#images.delete(n);
    for (const one of this.#next.slice(0, LOADED)) this.#image(one);
    if (!this.#now) this.#advance();
  }

  /** The photo of a question, which is loaded and decoded before it is shown. @param {Question} question */
  #image({ n, digest }) {
    let image = this.#images.get(n);
    if (!image) {
      image = element("img", { src: photo(n, digest, side()), alt: t("label.photo_number", { number: n + 1 }), draggable: "false", decoding: "sync" });
      image.decode().catch(() => { image?.classList.add("broken"); });
      this.#images.set(n, image);
    }
    return image;
  }

  #advance() { this.#show(this.#next.shift() ?? null); }

  /** @param {Question | null} question */
  #show(question) {
    this.#now = question;
    this.buttons.guess(question?.guesses ?? []);
    this.buttons.enable(Boolean(question));
    if (!question) {
      delete this.stage.dataset.number;
      if (this.#sent.size) this.stage.replaceChildren(element("p", { class: "soft", text: t("label.waiting") }));
      else this.#finished();
      return;
    }
    this.stage.dataset.number = String(question.n);
    this.stage.dataset.kind = question.kind;
    this.stage.replaceChildren(this.#image(question));
    const copies = (question.family ?? 1) > 1 ? ` ${t("label.copies", { count: (question.family ?? 1) - 1 })}` : "";
    const sure = question.guesses[0]?.p ?? 0;
    const kind = question.kind !== "doubt" ? question.kind : !sure ? "first" : sure >= SURE ? "least_sure" : "doubt"; // first: no model yet
    this.#note.textContent = t(`label.why_${kind}`) + copies;
    for (const one of this.#next.slice(0, LOADED)) this.#image(one);
  }

  #finished() {
    this.#note.textContent = "";
    this.stage.replaceChildren(element("div", { class: "empty" }, element("h2", { text: t("label.finished") }), element("p", { text: t("label.finished_what") }),
      element("p", { class: "tools" }, element("a", { class: "main", href: "#/quality", text: t("label.to_quality") }))));
  }

  /** The photos that were answered last: a click asks one of them again. */
  #drawRecent() {
    const last = this.#past.slice(-RECENT).reverse();
    this.#recent.replaceChildren(...last.map((one) => {
      const name = one.label < 0 ? t("label.no_label") : this.app.className(one.label);
      const again = () => {
        if (this.#now) this.#next.unshift(this.#now);
        this.#show(one);
        this.stage.focus({ preventScroll: true });
      };
      return element("li", {}, button([element("img", { src: thumb(one.n, one.digest), alt: "" }), one.label < 0 ? null : dot(one.label)], again, { title: name, "aria-label": t("label.ask_again", { name }) }));
    }));
  }

  /** An answer that differs from the one before: which one holds? @param {NonNullable<Answer["again"]>} again */
  #ask({ n, before, label }) {
    const choose = (/** @type {number} */ chosen) => {
      this.#second.hidden = true;
      if (chosen !== before) this.app.act("label", { n, label: chosen, mode: "doubt" }).catch(() => null);
      this.stage.focus({ preventScroll: true });
    };
    const { digest } = this.#past.find((one) => one.n === n) ?? { digest: "" };
    this.#second.replaceChildren(element("img", { src: thumb(n, digest), alt: "" }), element("p", { text: t("label.second", { before: this.app.className(before), now: this.app.className(label) }) }),
      element("div", { class: "tools" }, [before, label].map((one) => button([dot(one), " ", this.app.className(one)], () => choose(one)))));
    this.#second.hidden = false;
  }

  /** Send an act and go on at once. @param {string} kind @param {Record<string, any>} fields @param {string} told */
  #do(kind, fields, told) {
    const question = this.#now;
    if (!question) return;
    this.#past = [...this.#past.slice(-REMEMBERED), { ...question, label: fields.label ?? -1 }];
    this.#future = [];
    this.#drawRecent();
    this.#sent.set(question.n, (this.#sent.get(question.n) ?? 0) + 1);
    this.app.act(kind, { ...fields, mode: "doubt", count: AHEAD }).then((answer) => {
      this.#acknowledged(question.n, answer);
      this.app.say(`${told}. ${this.#guess()}`);
      if (answer.again && !answer.again.same) this.#ask(answer.again);
    }, () => this.#acknowledged(question.n, null));
    this.#advance();
  }

  /** @param {number} n @param {Answer | null} answer */
  #acknowledged(n, answer) {
    const left = (this.#sent.get(n) ?? 1) - 1;
    if (left) this.#sent.set(n, left);
    else this.#sent.delete(n);
    if (this.#closed) return;
    if (answer && !this.#fixed) this.#take(answer.next);
    else if (!this.#now) this.#advance();
  }

  /** What a screen reader is told of the photo that is shown. */
  #guess() {
    if (!this.#now) return "";
    const guesses = this.#now.guesses.map((one) => t("label.guess", { name: this.app.className(one.class), p: probability(one.p) }));
    return t("label.next", { guesses: guesses.join(", ") || t("label.no_guess") });
  }

  /** @param {number} label */
  #label(label) {
    if (!this.#now) return;
    const { n, kind } = this.#now;
    this.buttons.flash(label);
    this.#do(kind === "exam" || kind === "again" ? kind : "label", { n, label }, t("label.saved", { name: this.app.className(label) }));
  }

  #accept() {
    const best = this.#now?.guesses[0];
    if (best) this.#label(best.class);
  }

  #skip() { if (this.#now) this.#do("skip", { n: this.#now.n }, t("label.skipped")); }
  #none() { if (this.#now) this.#do("none", { n: this.#now.n }, t("label.none_saved")); }

  /** Take back the last act, or do it again; the photo is shown before the server has answered. @param {boolean} forward */
  async history(forward) {
    const from = forward ? this.#future : this.#past, shown = from.pop();
    if (!forward && shown) {
      if (this.#now) this.#next.unshift(this.#now);
      this.#future.push(shown);
      this.#show(shown);
      this.#drawRecent();
    } else if (forward && shown) {
      this.#past.push(shown);
      this.#drawRecent();
      if (this.#now?.n === shown.n) this.#advance();
    }
    const fields = { mode: "doubt", count: AHEAD };
    const answer = await turn(this.app, forward, fields), told = answer?.undone;
    if (this.#closed || !answer) return;
    if (!forward && told && told.n.length && !told.n.includes(shown?.n ?? -1)) {
      const { photos } = await this.app.get("/api/details", { numbers: told.n.slice(0, 1) });
      if (photos.length && !this.#closed) this.#show(asQuestion(photos[0]));
    }
    if (!this.#fixed) this.#take(answer.next);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const label = this.app.classKey(event);
    if (label !== null) this.#label(label);
    else if (event.key === " ") this.#skip();
    else if (event.key === "0") this.#none();
    else if (event.key === "v") this.stage.classList.toggle("full");
    else return false;
    return true;
  }
}

/** @param {import("./types.d.ts").Details} one @returns {Question} */
function asQuestion({ n, digest, status, guesses, family }) {
  const exam = status.includes("exam");
  return { id: "", n, digest, kind: exam ? "exam" : "doubt", guesses: exam ? [] : guesses.slice(0, 3), family: family.length + 1 };
}

