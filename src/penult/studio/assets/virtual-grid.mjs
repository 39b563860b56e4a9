// <photo-grid>: any number of photos as a grid, of which only the rows in sight are elements: two elements a photo.
//
// An ARIA grid with roving focus. It knows positions (index in `numbers`) and photo numbers; what a photo looks like it asks of
// `facts`. It tells "selection" after each change and "open" (detail: a photo's number).
import { element } from "./dom.mjs";
import { Selection } from "./selection.mjs";
import { listenToPointer } from "./grid-pointer.mjs";

export const GAP = 6; // pixels
const TALLEST = 15e6; // pixels: browsers end at about 17 million
const PAUSE = 80; // ms between two questions for what is in sight
const MOST = 140; // cells in sight at most: on large screens thumbnails are no smaller than that allows

/** What a cell shows; `url` null: not known yet. @typedef {{url: string | null, name: string, caption: string, look: string}} Facts */
/** @typedef {{box: HTMLElement, picture: HTMLImageElement, shown: string, url: string | null}} Cell */
/** @typedef {{box: HTMLElement, cells: Cell[]}} Row */

export class PhotoGrid extends HTMLElement {
  /** @type {number[]} photo numbers in the order shown */
  numbers = [];
  selection = new Selection();
  /** @type {(n: number) => Facts} */
  facts = () => ({ url: null, name: "", caption: "", look: "" });
  /** @type {(numbers: number[]) => void} called with the photos in sight, every so often */
  want = () => {};
  columns = 1;
  edge = 128;
  focused = 0; // position of the roving focus
  #wish = 128;
  /** @type {Map<number, Row>} */
  #rows = new Map();
  /** @type {Row[]} */
  #spare = [];
  #sheet = element("div", { class: "sheet", role: "presentation" });
  band = element("div", { class: "band", hidden: true });
  #frame = 0;
  #asking = 0;
  #watch = new ResizeObserver(() => this.#layout());

  connectedCallback() {
    this.setAttribute("role", "grid");
    this.setAttribute("aria-multiselectable", "true");
    this.#sheet.append(this.band);
    this.append(this.#sheet);
    this.addEventListener("scroll", () => this.#soon(), { passive: true });
    this.addEventListener("keydown", (event) => this.#key(event));
    listenToPointer(this);
    this.#watch.observe(this);
  }

  disconnectedCallback() { this.#watch.disconnect(); }

  /** The edge of a thumbnail that the user wishes, in pixels. */
  get wish() { return this.#wish; }

  set wish(edge) {
    this.#wish = edge;
    this.#layout();
  }

  get step() { return this.edge + GAP; }

  /**
   * Show other photos; `keep` leaves place, focus and selection as far as they are still there.
   * @param {number[]} numbers
   * @param {boolean} [keep]
   */
  show(numbers, keep = false) {
    const stay = this.numbers[this.focused];
    this.numbers = numbers;
    if (keep) {
      this.selection.within(numbers);
      const at = numbers.indexOf(stay);
      this.focused = at < 0 ? Math.max(0, Math.min(this.focused, numbers.length - 1)) : at;
    } else {
      this.selection = new Selection();
      this.focused = 0;
      this.scrollTop = 0;
    }
    const holds = this.#holdsFocus();
    this.#layout();
    this.changed();
    if (holds) this.focusOn(this.focused);
  }

  /** Draw what is in sight anew: its facts have changed. */
  refresh() {
    for (const [row, made] of this.#rows) this.#fill(made, row);
  }

  /** Say that the selection is another. */
  changed() {
    this.refresh();
    this.dispatchEvent(new CustomEvent("selection", { detail: this.selection.size }));
  }

  #layout() {
    const wide = this.clientWidth, high = this.clientHeight;
    if (!wide || !high) return;
    const top = Math.floor(this.scrollTop / this.step) * this.columns; // the photo that stays at the top
    const tallest = Math.sqrt(TALLEST * wide / Math.max(this.numbers.length, 1)) - GAP;
    const wish = Math.max(Math.min(this.#wish, tallest), Math.sqrt(wide * high / MOST) - GAP), columns = Math.max(1, Math.floor((wide - GAP) / (wish + GAP)));
    const edge = (wide - GAP) / columns - GAP, rows = Math.ceil(this.numbers.length / columns);
    this.#sheet.style.height = `${rows * (edge + GAP) + GAP}px`;
    this.setAttribute("aria-rowcount", String(rows));
    if (edge !== this.edge || columns !== this.columns || !this.#rows.size) {
      const holds = this.#holdsFocus();
      Object.assign(this, { edge, columns });
      this.#sheet.style.setProperty("--edge", `${edge}px`);
      this.#sheet.style.setProperty("--columns", String(columns));
      this.setAttribute("aria-colcount", String(columns));
      for (const { box } of [...this.#rows.values(), ...this.#spare]) box.remove();
      this.#rows.clear();
      this.#spare = [];
      this.scrollTop = Math.floor(top / columns) * this.step;
      if (holds) return this.focusOn(this.focused);
    }
    this.#draw();
  }

  #holdsFocus() { return this.#sheet.contains(document.activeElement); }

  #soon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #inSight() {
    const rows = Math.ceil(this.numbers.length / this.columns);
    const first = Math.max(0, Math.floor(this.scrollTop / this.step) - 1);
    const last = Math.min(rows - 1, Math.floor((this.scrollTop + this.clientHeight) / this.step) + 1);
    return { first, last };
  }

  #draw() {
    const { first, last } = this.#inSight();
    const holder = Math.floor(this.focused / this.columns); // its row stays while a cell in it has the focus
    const pinned = this.#holdsFocus() ? holder : -1;
    for (const [row, made] of this.#rows) {
      if ((row < first || row > last) && row !== pinned) {
        this.#rows.delete(row);
        this.#spare.push(made);
      }
    }
    for (let row = first; row <= last; row++) {
      if (this.#rows.has(row)) continue;
      const made = this.#spare.pop() || this.#newRow();
      this.#rows.set(row, made);
      this.#fill(made, row);
    }
    for (const { box } of this.#spare) box.hidden = true;
    this.ask();
  }

  /** Ask soon for the facts of what is in sight then; while one scrolls, every so often. */
  ask() {
    const from = this.scrollTop;
    this.#asking ||= window.setTimeout(() => {
      this.#asking = 0;
      if (Math.abs(this.scrollTop - from) > 2 * this.clientHeight) return this.ask(); // too fast to see anything
      const { first, last } = this.#inSight();
      this.want(this.numbers.slice(first * this.columns, (last + 1) * this.columns));
    }, PAUSE);
  }

  #newRow() {
    const box = element("div", { role: "row" });
    const cells = Array.from({ length: this.columns }, (_, column) => {
      const picture = element("img", { alt: "", decoding: "async", draggable: "false" });
      const cell = element("div", { role: "gridcell", tabindex: -1, "aria-colindex": column + 1 }, picture);
      box.append(cell);
      return { box: cell, picture, shown: "", url: null };
    });
    this.#sheet.append(box);
    return { box, cells };
  }

  /** @param {Row} made @param {number} row */
  #fill(made, row) {
    made.box.hidden = false;
    made.box.style.transform = `translateY(${row * this.step + GAP}px)`;
    made.box.setAttribute("aria-rowindex", String(row + 1));
    made.cells.forEach((cell, column) => this.#cell(cell, row * this.columns + column));
  }

  /** @param {Cell} cell @param {number} at */
  #cell(cell, at) {
    const n = this.numbers[at], { box, picture } = cell;
    box.hidden = n === undefined;
    if (n === undefined) return;
    const { url, name, caption, look } = this.facts(n), chosen = this.selection.has(n);
    const shown = [n, at === this.focused, chosen, url, name, caption, look].join("\n");
    if (shown === cell.shown) return;
    cell.shown = shown;
    if (url !== cell.url) {
      cell.url = url;
      if (url) picture.src = url;
      else picture.removeAttribute("src");
    }
    box.className = look;
    box.dataset.n = String(n);
    box.dataset.caption = caption;
    box.tabIndex = at === this.focused ? 0 : -1;
    box.setAttribute("aria-selected", String(chosen));
    box.setAttribute("aria-label", name);
  }

  /** Give a position the focus and bring it into sight. @param {number} at */
  focusOn(at) {
    if (!this.numbers.length) return;
    this.focused = Math.max(0, Math.min(at, this.numbers.length - 1));
    const top = Math.floor(this.focused / this.columns) * this.step;
    if (top < this.scrollTop) this.scrollTop = top;
    else if (top + this.step + GAP > this.scrollTop + this.clientHeight) this.scrollTop = top + this.step + GAP - this.clientHeight;
    this.#draw();
    this.refresh();
    const row = this.#rows.get(Math.floor(this.focused / this.columns));
    row?.cells[this.focused % this.columns].box.focus({ preventScroll: true });
  }

  /** The number of the focused photo, null where there is none. */
  get current() { return this.numbers[this.focused] ?? null; }

  /** The position at a point of the window, -1 for none. @param {number} x @param {number} y */
  positionAt(x, y) {
    const frame = this.getBoundingClientRect();
    const column = Math.floor((x - frame.left - GAP) / this.step);
    const at = Math.floor((y - frame.top + this.scrollTop - GAP) / this.step) * this.columns + column;
    return column < 0 || column >= this.columns || at < 0 || at >= this.numbers.length ? -1 : at;
  }

  open(at = this.focused) {
    this.focused = at;
    if (this.current !== null) this.dispatchEvent(new CustomEvent("open", { detail: this.current }));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { key, shiftKey: shift } = event, wide = event.ctrlKey || event.metaKey;
    const column = this.focused % this.columns, page = Math.max(1, Math.floor(this.clientHeight / this.step)) * this.columns;
    /** @type {Record<string, number>} */
    const ways = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -page, PageDown: page,
      Home: wide ? -this.focused : -column, End: wide ? this.numbers.length : this.columns - 1 - column,
    };
    if (key in ways && !event.altKey) {
      let to = this.focused + ways[key];
      if (to < 0) to = key === "PageUp" ? column : this.focused;
      if (to >= this.numbers.length && key === "ArrowDown") {
        const lower = Math.floor((this.numbers.length - 1) / this.columns) > Math.floor(this.focused / this.columns);
        to = lower ? this.numbers.length - 1 : this.focused;
      }
      if (shift && !this.selection.size) this.selection.anchor = this.focused;
      this.focusOn(to);
      if (shift) {
        this.selection.reach(this.numbers, this.focused);
        this.changed();
      }
    } else if (key === " " && !wide && !event.altKey) {
      if (shift) this.selection.reach(this.numbers, this.focused);
      else this.selection.toggle(this.numbers, this.focused);
      this.changed();
    } else if (wide && key.toLowerCase() === "a") {
      this.selection.all(this.numbers);
      this.changed();
    } else if (key === "Escape" && this.selection.size) {
      this.selection.clear();
      this.changed();
    } else if (key === "Enter" && !wide) this.open();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

customElements.define("photo-grid", PhotoGrid);
