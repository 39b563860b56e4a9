/**
 * The server as the page sees it. Acts are applied by the page at once, sent one after the other, sent again after a break
 * with the same id, and count as saved when the server has acknowledged them.
 */

import { wait } from "./dom.mjs";
import { chosen } from "./i18n.mjs";

/** @typedef {import("./types.d.ts").Project} Project */
/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").Answer} Answer */
/** @typedef {{path: string, body: Record<string, any>}} Sending */
/** @typedef {Sending & {resolve?: (answer: any) => void, reject?: (error: Error) => void}} Waiting */

const KEPT = "penult-unsaved", LOST = "penult-lost";
const LARGEST_KEPT_ALIVE = 40_000; // bytes; browsers let 64 kB of requests outlive a tab

/** An answer that is not the one that was asked for. `status` 0: no answer at all. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
  /** Whether the same request can succeed later: no connection, a server that restarts or is busy, a cookie that a new token renews. */
  get passing() {
    return this.status === 0 || this.status === 401 || this.status === 403 || this.status === 429 || this.status >= 500;
  }
}

/** @param {string} path @param {RequestInit} [init] */
async function ask(path, init) {
  let answer;
  const language = chosen(), headers = language ? { ...init?.headers, "X-Penult-Language": language } : init?.headers;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...init, headers });
  } catch {
    throw new ApiError(0, "no answer");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new ApiError(answer.status, body.error ?? answer.statusText);
  return body;
}

/** Ask for something. An array becomes "1,2,3"; what is null or undefined is left out.
 * @param {string} path @param {Record<string, any>} [params] @returns {Promise<any>} */
export function get(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  const tail = query.toString();
  return ask(tail ? `${path}?${tail}` : path, { headers: { Accept: "application/json" } });
}

/** Send something that is no act: training, exports, look-alikes.
 * @param {string} path @param {Record<string, any>} body @returns {Promise<any>} */
export function post(path, body) {
  const text = JSON.stringify(body);
  const keepalive = text.length < LARGEST_KEPT_ALIVE;
  return ask(path, { method: "POST", body: text, keepalive, headers: { "Content-Type": "application/json", "X-Penult": "1" } });
}

/** @param {number} n @param {string} digest */
export const thumb = (n, digest) => `/thumb/${n}/${digest.slice(0, 16)}.jpg`;
/** @param {number} n @param {string} digest @param {number} [side] */
export const photo = (n, digest, side = 1600) => `/photo/${n}/${digest.slice(0, 16)}.jpg?side=${side}`;

const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * Events: "project", "state" (the last snapshot), "changed" (photos, by an act of this tab), "foreign" (another tab changed
 * these), "classes", "sync" (how much is unsaved), "saved" (an acknowledged act), "refused" (one that will never be).
 */
export class Api extends EventTarget {
  /** @type {Project} */ project = /** @type {any} */ (null);
  /** @type {State | null} */ state = null;
  seq = 0;
  /** Why nothing is saved now: "" (it is), "offline", "closed" (the server wants a new token), or "failing", and the server's reason. */
  trouble = "";
  reason = "";
  /** @type {Waiting[]} */ #queue = [];
  #sending = false;
  #wake = () => {};
  /** @type {EventSource | null} */ #stream = null;
  #pause = 500; // ms

  /** Load the project, take up what an earlier page of this tab could not save, and listen. */
  async start() {
    this.#queue = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    addEventListener("online", () => this.retry());
    addEventListener("beforeunload", (event) => { if (this.unsaved && this.trouble) event.preventDefault(); });
    document.addEventListener("visibilitychange", () => this.#listen());
    await this.refreshProject();
    this.#listen();
    this.#send();
  }

  get unsaved() { return this.#queue.length; }

  /** Have the server's texts in the language that was chosen now. */
  async again() {
    await this.refreshProject();
    this.#listen();
  }

  async refreshProject() {
    this.project = await get("/api/project");
    this.#tell("project", this.project);
  }

  /** @param {string} name @param {any} [detail] */
  #tell(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }

  /** Do something: `kind` and its fields as in the API. Resolves with the server's answer once it is durable.
   * @param {string} kind @param {Record<string, any>} [fields] @returns {Promise<Answer>} */
  act(kind, fields = {}) { return this.#enqueue("/api/acts", { kind, ...fields }); }

  /** @returns {Promise<Answer>} */
  undo(fields = {}) { return this.#enqueue("/api/undo", fields); }

  /** @returns {Promise<Answer>} */
  redo(fields = {}) { return this.#enqueue("/api/redo", fields); }

  /** @param {{do: "add" | "rename" | "remove" | "key", number?: number, name?: string, key?: string}} change
   * @returns {Promise<{seq: number, classes: import("./types.d.ts").ClassName[]}>} */
  changeClasses(change) { return this.#enqueue("/api/classes", change); }

  /** Try again now what waits for the server. */
  retry() {
    this.#pause = 500;
    this.#wake();
  }

  /** @param {string} path @param {Record<string, any>} body @returns {Promise<any>} */
  #enqueue(path, body) {
    return new Promise((resolve, reject) => {
      const order = this.project.order ? { order: this.project.order } : {};
      this.#queue.push({ path, body: { id: newId(), ...order, ...body }, resolve, reject });
      this.#keep();
      this.#send();
    });
  }

  /** What is not saved yet outlives a reload of this tab. */
  #keep() {
    const plain = this.#queue.map(({ path, body }) => ({ path, body }));
    try {
      if (plain.length) sessionStorage.setItem(KEPT, JSON.stringify(plain));
      else sessionStorage.removeItem(KEPT);
    } catch { /* full: the queue itself is still here */ }
    this.#tell("sync");
  }

  async #send() {
    if (this.#sending) return;
    this.#sending = true;
    while (this.#queue.length) {
      const first = this.#queue[0];
      try {
        const answer = await post(first.path, { base_seq: this.seq, ...first.body });
        this.#connected();
        this.#queue.shift();
        this.seq = Math.max(this.seq, answer.seq ?? 0);
        this.#take(answer, first.body);
        first.resolve?.(answer);
      } catch (problem) {
        const error = /** @type {ApiError} */ (problem);
        if (error instanceof ApiError && (error.passing || (error.status === 409 && this.project.preparing))) {
          this.#broken(error);
          await Promise.race([wait(this.#pause), new Promise((resolve) => { this.#wake = () => resolve(null); })]);
          this.#pause = Math.min(2 * this.#pause, 8000);
          continue;
        }
        if (error instanceof ApiError && error.status === 409 && (await this.#otherPhotos())) return;
        this.#queue.shift();
        first.reject?.(error);
        this.#tell("refused", { error, body: first.body });
      }
      this.#keep();
    }
    this.#sending = false;
  }

  /** Whether numbers mean other photos now: the studio was started again and photos came or went. Then the page begins anew. */
  async #otherPhotos() {
    const { order } = await get("/api/project").catch(() => this.project);
    if (order === this.project.order) return false;
    sessionStorage.setItem(LOST, String(this.#queue.length));
    sessionStorage.removeItem(KEPT);
    this.#queue = [];
    location.reload();
    return true;
  }

  /** How many changes an earlier page of this tab had to give up, once. */
  get lost() {
    const count = Number(sessionStorage.getItem(LOST));
    sessionStorage.removeItem(LOST);
    return count;
  }

  /** @param {any} answer @param {Record<string, any>} body */
  #take(answer, body) {
    if (answer.classes) {
      this.project.classes = answer.classes;
      this.#tell("classes", answer.classes);
    }
    if (this.state?.counts && answer.counts) {
      const { counts, exam, model, seq } = answer;
      this.state = { ...this.state, counts, exam, seq: Math.max(seq, this.state.seq), model: { ...this.state.model, ...model } };
      this.#tell("state", this.state);
    }
    this.#tell("saved", { answer, body });
    if (answer.changed) this.#tell("changed", answer.changed);
  }

  #connected() {
    this.#pause = 500;
    if (!this.trouble) return;
    this.trouble = this.reason = "";
    this.#tell("sync");
  }

  /** @param {ApiError} error */
  #broken(error) {
    const trouble = error.status === 0 ? "offline" : error.status === 401 || error.status === 403 ? "closed" : error.status >= 500 ? "failing" : "";
    if (trouble === this.trouble && error.message === this.reason) return;
    this.trouble = trouble;
    this.reason = error.message;
    this.#tell("sync");
  }

  /** Hear of the state. A hidden tab does not listen: a browser opens six connections to a server, all tabs together. */
  #listen() {
    this.#stream?.close();
    this.#stream = null;
    if (document.hidden) return;
    const stream = new EventSource(chosen() ? `/api/state?language=${chosen()}` : "/api/state");
    this.#stream = stream;
    stream.addEventListener("state", (event) => {
      this.#connected();
      this.#wake();
      this.#hear(JSON.parse(/** @type {MessageEvent} */ (event).data));
    });
    stream.addEventListener("error", async () => {
      if (this.#stream !== stream) return;
      stream.close();
      await get("/api/state").then(() => this.#connected(), (error) => { if (error.passing) this.#broken(error); });
      await wait(this.#pause);
      this.#pause = Math.min(2 * this.#pause, 8000);
      if (this.#stream === stream) this.#listen();
    });
  }

  /** @param {State} state */
  #hear(state) {
    const before = this.state, preparing = this.project.preparing;
    this.state = state;
    const since = this.seq, seq = state.seq ?? 0; // none while photos are prepared
    const other = before !== null && seq > since && !this.#queue.length;
    if (!this.#queue.length) this.seq = Math.max(since, seq);
    this.project.preparing = state.preparing;
    this.#tell("state", state);
    if (preparing && !state.preparing) this.refreshProject().then(() => this.retry());
    else if (other) this.#catchUp(since);
  }

  /** Another tab did something. @param {number} since */
  async #catchUp(since) {
    const { changed, classes } = await get("/api/changes", { since });
    if (JSON.stringify(classes) !== JSON.stringify(this.project.classes)) {
      this.project.classes = classes;
      this.#tell("classes", classes);
    }
    this.#tell("changed", changed);
    this.#tell("foreign", changed);
  }
}
