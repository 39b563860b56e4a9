// Mouse and touch on the grid: click, Shift, Ctrl or Cmd, a rectangle; tap, and a long press to begin selecting.
import { GAP } from "./virtual-grid.mjs";

/** @typedef {import("./virtual-grid.mjs").PhotoGrid} PhotoGrid */
const EDGE = 40, LONG = 450, SLOP = 6; // pixels from the edge where a rectangle scrolls; ms of a long press; pixels that are no drag

/** @param {PhotoGrid} grid */
export function listenToPointer(grid) {
  /** @type {null | {x: number, y: number, left: number, top: number, at: number, touch: boolean, long: boolean, timer: number, drag: boolean, before: Set<number>}} */
  let press = null;
  let here = { x: 0, y: 0 }, scrolling = 0;

  grid.addEventListener("pointerdown", (event) => {
    const frame = grid.getBoundingClientRect();
    if (event.button || event.clientX > frame.left + grid.clientWidth) return; // the scroll bar is not ours
    const at = grid.positionAt(event.clientX, event.clientY), touch = event.pointerType === "touch";
    const add = event.ctrlKey || event.metaKey || event.shiftKey;
    here = { x: event.clientX, y: event.clientY };
    press = {
      ...here, left: here.x - frame.left + grid.scrollLeft, top: here.y - frame.top + grid.scrollTop, at, touch, long: false,
      timer: touch ? window.setTimeout(hold, LONG) : 0, drag: false, before: add ? new Set(grid.selection.chosen) : new Set(),
    };
    if (!touch) event.preventDefault(); // no text selection; the focus is set below
  });

  function hold() {
    if (!press || press.at < 0) return;
    press.long = true;
    grid.focused = press.at;
    grid.selection.toggle(grid.numbers, press.at);
    grid.changed();
    navigator.vibrate?.(15);
  }

  grid.addEventListener("pointermove", (event) => {
    if (!press) return;
    here = { x: event.clientX, y: event.clientY };
    const moved = Math.hypot(here.x - press.x, here.y - press.y) > SLOP;
    if (press.touch) {
      if (moved) clearTimeout(press.timer);
      return;
    }
    if (moved && !press.drag) {
      press.drag = true;
      grid.setPointerCapture(event.pointerId);
      grid.band.hidden = false;
    }
    if (press.drag) {
      rectangle();
      scrolling ||= requestAnimationFrame(follow);
    }
  });

  function rectangle() {
    if (!press) return;
    const frame = grid.getBoundingClientRect();
    const x = Math.min(Math.max(here.x - frame.left, 0), grid.clientWidth), y = here.y - frame.top + grid.scrollTop;
    const [left, right] = [Math.min(x, press.left), Math.max(x, press.left)], [top, bottom] = [Math.min(y, press.top), Math.max(y, press.top)];
    Object.assign(grid.band.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
    const chosen = new Set(press.before), step = grid.step; // a photo is in it where the rectangle touches its square
    const first = Math.max(0, Math.floor(top / step)), last = Math.floor((bottom - GAP) / step);
    const from = Math.max(0, Math.floor(left / step)), to = Math.min(grid.columns - 1, Math.floor((right - GAP) / step));
    for (let row = first; row <= last; row++) {
      for (let column = from; column <= to; column++) {
        const n = grid.numbers[row * grid.columns + column];
        if (n !== undefined) chosen.add(n);
      }
    }
    const same = chosen.size === grid.selection.size && [...chosen].every((n) => grid.selection.has(n));
    grid.selection.chosen = chosen;
    if (!same) grid.changed();
  }

  function follow() {
    scrolling = 0;
    if (!press?.drag) return;
    const frame = grid.getBoundingClientRect();
    const over = Math.max(0, here.y - frame.bottom + EDGE) - Math.max(0, frame.top + EDGE - here.y);
    if (over) {
      grid.scrollTop += over / 2;
      rectangle();
      scrolling = requestAnimationFrame(follow);
    }
  }

  grid.addEventListener("pointerup", (event) => {
    const done = press;
    end();
    if (!done || done.drag || done.long || done.at < 0) {
      if (done && !done.drag && !done.touch && done.at < 0 && grid.selection.size) {
        grid.selection.clear();
        grid.changed();
      }
      return;
    }
    if (done.touch) {
      if (Math.hypot(event.clientX - done.x, event.clientY - done.y) > SLOP) return;
      if (!grid.selection.size) return grid.open(done.at);
      grid.selection.toggle(grid.numbers, done.at);
    } else if (event.shiftKey) grid.selection.reach(grid.numbers, done.at);
    else if (event.ctrlKey || event.metaKey) grid.selection.toggle(grid.numbers, done.at);
    else grid.selection.only(grid.numbers, done.at);
    grid.focusOn(done.at);
    grid.changed();
  });

  function end() {
    if (press) clearTimeout(press.timer);
    press = null;
    grid.band.hidden = true;
  }

  grid.addEventListener("pointercancel", end);
  grid.addEventListener("scroll", () => { if (press?.drag) rectangle(); }, { passive: true });
  grid.addEventListener("dblclick", (event) => {
    const at = grid.positionAt(event.clientX, event.clientY);
    if (at >= 0) grid.open(at);
  });
  grid.addEventListener("contextmenu", (event) => { if (press?.touch) event.preventDefault(); });
}
