/** The dots of the map: the color and shape of each class as `dot` has them, filled for a label and hollow for a guess. */

/** @typedef {[number, number]} Spot */

const HUES = 8;
const OUTLINES = [
  "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12Z", "M2.6 2.6h10.8v10.8H2.6Z", "M8 1.4L14.6 13H1.4Z", "M8 .8L15.2 8L8 15.2L.8 8Z",
  "M5.5 1h5v4.5H15v5h-4.5V15h-5v-4.5H1v-5h4.5Z",
]; // in a box of 16: circle, square, triangle, diamond, cross

/** The colors of the page as they are now, light or dark. */
export function paint() {
  const style = getComputedStyle(document.documentElement);
  const get = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  return { classes: Array.from({ length: HUES }, (_, i) => get(`--class-${i}`)), ink: get("--ink"), card: get("--card"), accent: get("--accent"), soft: get("--soft") };
}

/**
 * One dot of each class as a small picture, and one for a photo without label or guess: copying a picture is many times
 * faster than filling an outline.
 * @param {number} classes @param {number} radius @param {number} ratio device pixels a pixel
 */
export function sprites(classes, radius, ratio) {
  const colors = paint(), side = Math.ceil(radius * 2 * 1.4 + 4), box = radius * 2.3;
  const make = (/** @type {number} */ label, /** @type {boolean} */ filled) => {
    const sheet = document.createElement("canvas");
    sheet.width = sheet.height = Math.ceil(side * ratio);
    const brush = /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d"));
    const scale = ratio * box / 16, shift = ratio * (side - box) / 2;
    brush.setTransform(scale, 0, 0, scale, shift, shift);
    const path = new Path2D(OUTLINES[Math.max(label, 0) % OUTLINES.length]), color = label < 0 ? colors.soft : colors.classes[label % HUES];
    brush.globalAlpha = filled ? 1 : 0.7;
    brush.fillStyle = filled ? color : colors.card;
    brush.strokeStyle = filled ? colors.card : color;
    brush.lineWidth = (filled ? 1 : 1.4) * 16 / box;
    brush.fill(path);
    brush.stroke(path);
    return sheet;
  };
  const all = Array.from({ length: classes }, (_, label) => label);
  return { side, given: all.map((label) => make(label, true)), guessed: all.map((label) => make(label, false)), none: make(-1, false) };
}

/** @param {CanvasRenderingContext2D} brush @param {Spot} spot @param {number} radius */
export function ring(brush, [x, y], radius) {
  brush.beginPath();
  brush.arc(x, y, radius, 0, 2 * Math.PI);
  brush.stroke();
}

/** Whether a point is inside a closed line. @param {Spot[]} line @param {Spot} spot */
export function inside(line, [x, y]) {
  let odd = false;
  for (let a = 0, b = line.length - 1; a < line.length; b = a++) {
    const [xa, ya] = line[a], [xb, yb] = line[b];
    if (ya > y !== yb > y && x < (xb - xa) * (y - ya) / (yb - ya) + xa) odd = !odd;
  }
  return odd;
}
