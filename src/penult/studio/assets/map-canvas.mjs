/**
 * All photos as points: similar ones are close together. A lasso (mouse, finger, or point by point with the keys) selects;
 * wheel, two fingers and + and - zoom. Points are drawn once into a picture of their own, then only what changes over it.
 */

import { inside, paint, ring, sprites } from "./dots.mjs";
import { element } from "./dom.mjs";

const MARGIN = 18, FAR = 64, LEAST_LASSO = 6; // pixels; strongest zoom; corners of a lasso
const MANY = 3000, PAUSE = 120; // points that are not drawn anew in every frame; ms until the view rests

/** @typedef {{numbers: number[], x: number[], y: number[]}} Places */
/** @typedef {{labels: number[], guesses: number[]}} Colors */
/** @typedef {[number, number]} Spot */

export class MapCanvas {
  root = element("canvas", { class: "map", tabindex: 0, role: "application" });
  /** @type {Places} */ #places = { numbers: [], x: [], y: [] };
  /** @type {Colors} */ #colors = { labels: [], guesses: [] };
  #classes = 1;
  /** @type {Set<number> | null} */ #among = null;
  /** @type {Set<number>} */ chosen = new Set();
  /** position in `numbers` of the point that is looked at, -1 for none */ #current = -1;
  tool = "lasso"; // or "move"
  #zoom = 1;
  /** @type {Spot} */ #middle = [0.5, 0.5];
  #size = { wide: 0, high: 0, ratio: 1 };
  #ground = document.createElement("canvas");
  /** @type {ReturnType<typeof sprites> | null} */ #dots = null;
  #frame = 0;
  #stale = true;
  #rest = 0;
  /** how the points were seen when their picture was drawn */ #drawn = { middle: /** @type {Spot} */ ([0.5, 0.5]), scale: 1 };
  /** @type {Map<number, Spot>} */ #fingers = new Map();
  /** @type {Spot[]} */ #line = [];
  #moving = false;
  #watch = new ResizeObserver(() => this.#resize());
  #look = matchMedia("(prefers-color-scheme: dark)");
  #relook = () => this.#resize();

  /** @param {{visit: (n: number) => void, select: (numbers: number[]) => void}} heard what is told of the point that is looked at, and of a lasso */
  constructor(heard) {
    this.heard = heard;
    this.#watch.observe(this.root);
    this.#look.addEventListener("change", this.#relook);
    this.root.addEventListener("pointerdown", (event) => this.#down(event));
    this.root.addEventListener("pointermove", (event) => this.#move(event));
    this.root.addEventListener("pointerup", (event) => this.#up(event));
    this.root.addEventListener("pointercancel", (event) => { this.#line = []; this.#up(event); });
    this.root.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), this.#spot(event));
    }, { passive: false });
    this.root.addEventListener("keydown", (event) => this.#key(event));
  }

  close() {
    clearTimeout(this.#rest);
    this.#watch.disconnect();
    this.#look.removeEventListener("change", this.#relook);
  }

  /** @param {Places} places @param {Colors} colors @param {number} classes */
  show(places, colors, classes) {
    this.#places = places;
    this.#colors = colors;
    this.#classes = classes;
    this.#resize();
  }

  /** Show some photos more clearly than the others; null: all alike. @param {number[] | null} numbers */
  among(numbers) {
    this.#among = numbers && new Set(numbers);
    this.#again();
  }

  /** @param {Iterable<number>} numbers */
  choose(numbers) {
    this.chosen = new Set(numbers);
    this.#soon();
  }

  /** The number of the photo that is looked at, or null. */
  get current() { return this.#places.numbers[this.#current] ?? null; }

  /** Zoom about a point of the canvas. @param {number} times 0: all photos @param {Spot} [about] */
  zoom(times, about) {
    const { wide, high } = this.#size, [x, y] = about ?? (this.#current >= 0 ? this.#at(this.#current) : [wide / 2, high / 2]);
    const before = this.#scale();
    this.#zoom = Math.min(FAR, Math.max(1, this.#zoom * times));
    const after = this.#scale(), [mx, my] = this.#middle;
    this.#middle = this.#zoom === 1 ? [0.5, 0.5] : [mx + (x - wide / 2) * (1 / before - 1 / after), my + (y - high / 2) * (1 / before - 1 / after)];
    this.#dots = null;
    this.#again(true);
  }

  #scale() { return Math.max(1, Math.min(this.#size.wide, this.#size.high) - 2 * MARGIN) * this.#zoom; }

  /** @param {number} i @returns {Spot} */
  #at(i) {
    const scale = this.#scale();
    return [this.#size.wide / 2 + (this.#places.x[i] - this.#middle[0]) * scale, this.#size.high / 2 + (this.#places.y[i] - this.#middle[1]) * scale];
  }

  #resize() {
    const { clientWidth: wide, clientHeight: high } = this.root, ratio = window.devicePixelRatio || 1;
    if (!wide || !high) return;
    this.#size = { wide, high, ratio };
    for (const sheet of [this.root, this.#ground]) Object.assign(sheet, { width: Math.round(wide * ratio), height: Math.round(high * ratio) });
    this.#dots = null;
    this.#again();
  }

  /** Draw the points anew: at once, or of many points once the view rests; until then their old picture is moved.
   * @param {boolean} [moving] */
  #again(moving = false) {
    clearTimeout(this.#rest);
    if (moving && this.#places.numbers.length > MANY) this.#rest = window.setTimeout(() => this.#again(), PAUSE);
    else this.#stale = true;
    this.#soon();
  }

  #soon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#stale) this.#drawGround();
      this.#stale = false;
      this.#drawOver();
    });
  }

  get #radius() {
    const n = this.#places.numbers.length;
    return (n > 30000 ? 1.8 : n > 8000 ? 2.4 : n > 1500 ? 3.4 : 5) * Math.min(2, 1 + Math.log2(this.#zoom) / 4);
  }

  #drawGround() {
    const { wide, high, ratio } = this.#size, brush = /** @type {CanvasRenderingContext2D} */ (this.#ground.getContext("2d"));
    const { side, given, guessed, none } = this.#dots ??= sprites(this.#classes, this.#radius, ratio);
    const { labels, guesses } = this.#colors, { numbers } = this.#places, among = this.#among;
    this.#drawn = { middle: this.#middle, scale: this.#scale() };
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, wide, high);
    const draw = (/** @type {boolean} */ labelled, /** @type {boolean} */ clear) => {
      brush.globalAlpha = clear ? 1 : 0.12;
      for (let i = 0; i < numbers.length; i++) {
        const n = numbers[i], label = labels[n] ?? -1;
        if (label >= 0 !== labelled || (among === null || among.has(n)) !== clear) continue;
        const [x, y] = this.#at(i);
        if (x < -side || y < -side || x > wide + side || y > high + side) continue;
        brush.drawImage(labelled ? given[label] : guessed[guesses[n]] ?? none, x - side / 2, y - side / 2, side, side);
      }
    };
    for (const clear of among ? [false, true] : [true]) { draw(false, clear); draw(true, clear); }
    brush.globalAlpha = 1;
  }

  #drawOver() {
    const brush = /** @type {CanvasRenderingContext2D} */ (this.root.getContext("2d")), { ratio } = this.#size, colors = paint(), radius = this.#radius;
    brush.setTransform(1, 0, 0, 1, 0, 0);
    brush.clearRect(0, 0, this.root.width, this.root.height);
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    const scale = this.#scale(), { middle, scale: before } = this.#drawn, larger = scale / before, { wide, high } = this.#size;
    brush.drawImage(this.#ground, wide / 2 * (1 - larger) + (middle[0] - this.#middle[0]) * scale, high / 2 * (1 - larger) + (middle[1] - this.#middle[1]) * scale, wide * larger, high * larger);
    if (this.chosen.size) {
      brush.strokeStyle = colors.ink;
      brush.lineWidth = 1;
      brush.globalAlpha = this.chosen.size > 200 ? 0.5 : 0.9;
      this.#places.numbers.forEach((n, i) => { if (this.chosen.has(n)) ring(brush, this.#at(i), radius + 1); });
      brush.globalAlpha = 1;
    }
    brush.strokeStyle = colors.accent;
    if (this.#current >= 0) {
      brush.lineWidth = 3;
      ring(brush, this.#at(this.#current), radius + 5);
    }
    if (this.#line.length < 2) return;
    brush.beginPath();
    this.#line.forEach(([x, y], k) => (k ? brush.lineTo(x, y) : brush.moveTo(x, y)));
    brush.closePath();
    brush.lineWidth = 1.5;
    brush.stroke();
    brush.globalAlpha = 0.12;
    brush.fillStyle = colors.accent;
    brush.fill();
    brush.globalAlpha = 1;
  }

  /** @param {MouseEvent} event @returns {Spot} */
  #spot(event) {
    const frame = this.root.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  }

  /** @param {Spot} spot @param {number} reach */
  #nearest([x, y], reach) {
    let best = -1, least = reach * reach;
    for (let i = 0; i < this.#places.numbers.length; i++) {
      const [px, py] = this.#at(i), far = (px - x) ** 2 + (py - y) ** 2;
      if (far < least) { least = far; best = i; }
    }
    return best;
  }

  /** @param {number} i */
  #visit(i) {
    if (i === this.#current) return;
    this.#current = i;
    if (i >= 0) this.heard.visit(this.#places.numbers[i]);
    this.#soon();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.root.setPointerCapture(event.pointerId);
    this.#fingers.set(event.pointerId, this.#spot(event));
    this.#moving = this.tool === "move" || event.button !== 0 || this.#fingers.size > 1;
    this.#line = this.#moving ? [] : [this.#spot(event)];
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const here = this.#spot(event), before = this.#fingers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") this.#visit(this.#nearest(here, 24));
      return;
    }
    this.#fingers.set(event.pointerId, here);
    if (this.#moving) this.#drag(event.pointerId, before, here);
    else if (this.#line.length) {
      const [x, y] = this.#line[this.#line.length - 1];
      if (Math.hypot(here[0] - x, here[1] - y) > 3) { this.#line.push(here); this.#soon(); }
    }
  }

  /** Move with one finger, move and zoom with two. @param {number} id @param {Spot} before @param {Spot} here */
  #drag(id, before, here) {
    const other = [...this.#fingers].find(([one]) => one !== id)?.[1], part = (other ? 0.5 : 1) / this.#scale();
    if (this.#zoom > 1) this.#middle = [this.#middle[0] - (here[0] - before[0]) * part, this.#middle[1] - (here[1] - before[1]) * part];
    if (other) {
      const apart = (/** @type {Spot} */ [x, y]) => Math.max(10, Math.hypot(x - other[0], y - other[1]));
      this.zoom(apart(here) / apart(before), [(here[0] + other[0]) / 2, (here[1] + other[1]) / 2]);
    }
    this.#again(true);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    this.#fingers.delete(event.pointerId);
    const line = this.#line;
    this.#line = [];
    this.#soon();
    if (this.#moving || !line.length) return;
    if (line.length < LEAST_LASSO) return this.#visit(this.#nearest(line[0], 24));
    const { numbers } = this.#places;
    this.heard.select(numbers.filter((n, i) => (this.#among?.has(n) ?? true) && inside(line, this.#at(i))));
  }

  /** Go to the next point that way. @param {number} wx @param {number} wy */
  #step(wx, wy) {
    if (this.#current < 0) return this.#visit(this.#nearest([this.#size.wide / 2, this.#size.high / 2], 1e9));
    let best = -1, least = Infinity;
    const [x, y] = this.#at(this.#current);
    for (let i = 0; i < this.#places.numbers.length; i++) {
      if (i === this.#current) continue;
      const [px, py] = this.#at(i), along = (px - x) * wx + (py - y) * wy, aside = Math.abs((px - x) * wy - (py - y) * wx);
      if (along <= 0.01 || aside > 2 * along || along + 2 * aside >= least) continue;
      least = along + 2 * aside;
      best = i;
    }
    if (best >= 0) this.#visit(best);
    const [cx, cy] = this.#at(this.#current);
    if (cx < 0 || cy < 0 || cx > this.#size.wide || cy > this.#size.high) {
      this.#middle = [this.#places.x[this.#current], this.#places.y[this.#current]];
      this.#again();
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, Spot>} */
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (ways[event.key]) this.#step(...ways[event.key]);
    else if (event.key === " ") {
      if (this.current === null) return;
      const chosen = new Set(this.chosen);
      if (!chosen.delete(this.current)) chosen.add(this.current);
      this.heard.select([...chosen]);
    } else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
