// Which photos are selected: by number, so that it survives another order; ranges go from the anchor, a position.

export class Selection {
  constructor() {
    /** @type {Set<number>} */
    this.chosen = new Set();
    this.anchor = 0;
  }

  get size() { return this.chosen.size; }

  /** @param {number} n */
  has(n) { return this.chosen.has(n); }

  /** The selected photos in the order shown. @param {number[]} numbers */
  among(numbers) { return numbers.filter((n) => this.chosen.has(n)); }

  clear() { this.chosen.clear(); }

  /** @param {number[]} numbers @param {number} at */
  only(numbers, at) {
    this.chosen = new Set([numbers[at]]);
    this.anchor = at;
  }

  /** @param {number[]} numbers @param {number} at */
  toggle(numbers, at) {
    if (!this.chosen.delete(numbers[at])) this.chosen.add(numbers[at]);
    this.anchor = at;
  }

  /** Select from the anchor to a position, and nothing else. @param {number[]} numbers @param {number} at */
  reach(numbers, at) {
    this.chosen = new Set(numbers.slice(Math.min(this.anchor, at), Math.max(this.anchor, at) + 1));
  }

  /** @param {number[]} numbers */
  all(numbers) { this.chosen = new Set(numbers); }

  /** Forget what is no longer shown. @param {number[]} numbers */
  within(numbers) {
    if (!this.chosen.size) return;
    const shown = new Set(numbers);
    for (const n of this.chosen) if (!shown.has(n)) this.chosen.delete(n);
    this.anchor = Math.min(this.anchor, Math.max(numbers.length - 1, 0));
  }
}
