// The resize of penult, equal to the last bit: RGB bytes of any size to size x size, as a recipe says.
// Doubles and whole numbers below 2^31 are exact in JavaScript, so the sums are those of the original.

const DIGITS = 22, MOST_RESIZED = 50000000;

function cubic(x) { // Keys 1981 with a = -1/2, in the order of operations of Pillow's
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * -0.5;
  return 0;
}

const triangle = (x) => Math.max(1 - Math.abs(x), 0);

function halfToEven(x) {
  const low = Math.floor(x), rest = x - low;
  return rest < 0.5 ? low : rest > 0.5 ? low + 1 : low % 2 === 0 ? low : low + 1;
}

// The size of the whole resized picture, and where the crop begins in it
export function resizedBox(width, height, recipe) {
  const size = recipe.size, short = Math.floor(size / recipe.crop);
  let wide = short, high = short;
  if (recipe.fit !== "squash") {
    if (width <= height) high = Math.floor(short * height / width);
    else wide = Math.floor(short * width / height);
  }
  const rounded = recipe.crop_rounding === "down" ? Math.floor : halfToEven;
  return { wide, high, left: rounded((wide - size) / 2), top: rounded((high - size) / 2) };
}

// What each place of the result reads along one axis: first place, and weights of 22 binary digits behind the point
function reaches(axis, size, bicubic) {
  const stretch = Math.max(axis.scale, 1), support = (bicubic ? 2 : 1) * stretch, shrink = 1 / stretch;
  const found = [];
  for (let i = 0; i < size; i++) {
    const centre = axis.origin + (axis.start + i + 0.5) * axis.scale;
    const from = Math.max(Math.trunc(centre - support + 0.5), 0);
    const to = Math.min(Math.trunc(centre + support + 0.5), axis.count);
    const exact = [];
    let sum = 0;
    for (let j = from; j < to; j++) {
      const x = (j - centre + 0.5) * shrink, weight = bicubic ? cubic(x) : triangle(x);
      exact.push(weight);
      sum += weight;
    }
    const one = 2 ** DIGITS, weights = new Int32Array(exact.length);
    for (let j = 0; j < exact.length; j++) {
      const weight = exact[j] / (sum || 1) * one;
      weights[j] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    found.push({ from, weights });
  }
  return found;
}

const byte = (sum) => { sum >>= DIGITS; return sum < 0 ? 0 : sum > 255 ? 255 : sum; };

// Columns first: rows below `high` from `low` on of (rows, columns, 3) to (rows, size, 3)
function alongRows(pixels, columns, low, high, reach) {
  const size = reach.length, out = new Uint8Array((high - low) * size * 3);
  for (let y = low, at = 0; y < high; y++) {
    const row = y * columns * 3;
    for (let i = 0; i < size; i++, at += 3) {
      const { from, weights } = reach[i];
      let r = 1 << (DIGITS - 1), g = r, b = r;
      for (let j = 0, p = row + from * 3; j < weights.length; j++, p += 3) {
        const w = weights[j];
        r += w * pixels[p]; g += w * pixels[p + 1]; b += w * pixels[p + 2];
      }
      out[at] = byte(r); out[at + 1] = byte(g); out[at + 2] = byte(b);
    }
  }
  return out;
}

// Rows: (rows, width, 3), the first of which is place `low`, to (size, width, 3); columns from `first` to `last` only
function alongColumns(pixels, width, low, reach, first = 0, last = width) {
  const size = reach.length, kept = last - first, out = new Uint8Array(size * kept * 3), sums = new Int32Array(kept * 3);
  for (let i = 0; i < size; i++) {
    const { from, weights } = reach[i];
    sums.fill(1 << (DIGITS - 1));
    for (let j = 0; j < weights.length; j++) {
      const w = weights[j], row = ((from + j - low) * width + first) * 3;
      for (let x = 0; x < kept * 3; x++) sums[x] += w * pixels[row + x];
    }
    for (let x = 0, at = i * kept * 3; x < kept * 3; x++) out[at + x] = byte(sums[x]);
  }
  return out;
}

function reached(reach) {
  let low = Infinity, high = 0;
  for (const { from, weights } of reach) {
    low = Math.min(low, from);
    high = Math.max(high, from + weights.length);
  }
  return [low, high];
}

// Pillow's nearest neighbour adds up the scale place by place
function nearestPlaces(axis, size) {
  const places = new Int32Array(size);
  let at = axis.origin + axis.scale * 0.5;
  for (let i = 0; i < axis.start + size; i++) {
    if (i >= axis.start) places[i - axis.start] = Math.min(Math.trunc(at), axis.count - 1);
    at += axis.scale;
  }
  return places;
}

// RGB bytes (height, width, 3) to (size, size, 3). Which pass comes first depends on the Pillow that penult works with
export function prepare(pixels, width, height, recipe, mayBeginWithY = true) {
  const size = recipe.size, box = resizedBox(width, height, recipe);
  const sliver = box.wide * box.high > MOST_RESIZED;
  const axis = (count, resized, start) => {
    const scale = count / resized;
    if (!sliver) return { count, scale, start, origin: 0 };
    const origin = Math.fround(start * scale), end = Math.fround(Math.min(count, (start + size) * scale));
    return { count, scale: Math.fround(end - origin) / size, start: 0, origin };
  };
  const down = axis(height, box.high, box.top), across = axis(width, box.wide, box.left);
  if (recipe.interpolation === "nearest") {
    const rows = nearestPlaces(down, size), columns = nearestPlaces(across, size), out = new Uint8Array(size * size * 3);
    for (let y = 0, at = 0; y < size; y++)
      for (let x = 0; x < size; x++, at += 3) {
        const p = (rows[y] * width + columns[x]) * 3;
        out[at] = pixels[p]; out[at + 1] = pixels[p + 1]; out[at + 2] = pixels[p + 2];
      }
    return out;
  }
  const bicubic = recipe.interpolation === "bicubic";
  const rows = reaches(down, size, bicubic), columns = reaches(across, size, bicubic);
  const fewerRows = height - (sliver ? size : box.high), fewerColumns = width - (sliver ? size : box.wide);
  if (mayBeginWithY && fewerRows > 0 && fewerRows > 2 * fewerColumns) {
    const [first, last] = reached(columns);
    const narrow = columns.map(({ from, weights }) => ({ from: from - first, weights }));
    return alongRows(alongColumns(pixels, width, 0, rows, first, last), last - first, 0, size, narrow);
  }
  const [low, high] = reached(rows);
  return alongColumns(alongRows(pixels, width, low, high, columns), size, low, rows);
}
