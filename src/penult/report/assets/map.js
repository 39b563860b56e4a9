// The map: hover, touch or step to a photo; lasso some; zoom. Nothing is drawn twice that did not change.
const canvas = byId('map-canvas');

function startMap() {
  const n = data.files.length;
  const unit = 9999;
  const shown = data.classes.map(() => true);
  const marked = {wrong: true, flagged: true};
  const flagged = new Set(data.flagged);
  const wrong = [];
  for (let i = 0; i < n; i++) if (data.given[i] >= 0 && data.given[i] !== data.label[i]) wrong.push(i);
  const brush = canvas.getContext('2d');
  const ground = document.createElement('canvas');
  const radius = n > 8000 ? 2.2 : n > 1500 ? 3.2 : 4.6;
  let side = 0, ratio = 1, zoom = 1, middle = [unit / 2, unit / 2];
  let paint = colours(), dots = [];
  let current = -1, chosen = new Set(), drawn = [], touching = false, waiting = false;

  const margin = 14;
  const factor = () => (side - 2 * margin) / unit * zoom;
  const px = (i) => side / 2 + (data.x[i] - middle[0]) * factor();
  const py = (i) => side / 2 + (data.y[i] - middle[1]) * factor();

  function layout() {
    const wide = canvas.clientWidth;
    if (!wide) return;
    side = wide;
    ratio = window.devicePixelRatio || 1;
    for (const sheet of [canvas, ground]) { sheet.width = Math.round(wide * ratio); sheet.height = Math.round(wide * ratio); }
    paint = colours();
    dots = sprites(paint, radius * (zoom > 1 ? Math.min(1.6, 1 + zoom / 16) : 1), ratio, data.classes.length);
    drawAll();
  }

  function drawAll() {
    const back = ground.getContext('2d');
    back.setTransform(ratio, 0, 0, ratio, 0, 0);
    back.clearRect(0, 0, side, side);
    const order = n > 3000 ? 7 : 1; // neighbours in the file are neighbours in class: deal the dots so that none lies on top
    for (let first = 0; first < order; first++) {
      for (let i = first; i < n; i += order) {
        const label = data.label[i];
        if (!shown[label]) continue;
        const x = px(i), y = py(i);
        if (x < -9 || y < -9 || x > side + 9 || y > side + 9) continue;
        const {sheet, side: s} = dots[label];
        back.drawImage(sheet, x - s / 2, y - s / 2, s, s);
      }
    }
    if (marked.flagged) for (const i of flagged) if (shown[data.label[i]]) dashed(back, px(i), py(i));
    if (marked.wrong) for (const i of wrong) if (shown[data.label[i]]) ring(back, px(i), py(i), radius + 2.5, paint.alarm, 1.8);
    soon();
  }

  function dashed(back, x, y) {
    back.setLineDash([2, 2]);
    ring(back, x, y, radius + 5, paint.ink, 1.3);
    back.setLineDash([]);
  }

  function soon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; drawOver(); });
  }

  function drawOver() {
    brush.setTransform(1, 0, 0, 1, 0, 0);
    brush.clearRect(0, 0, canvas.width, canvas.height);
    brush.drawImage(ground, 0, 0);
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.globalAlpha = chosen.size > 2000 ? 0.4 : 1;
    for (const i of chosen) ring(brush, px(i), py(i), radius + 1, paint.ink, 1.6);
    brush.globalAlpha = 1;
    if (current >= 0) {
      brush.strokeStyle = paint.accent;
      brush.lineWidth = 1.4;
      for (const j of data.near[current] || []) {
        brush.beginPath(); brush.moveTo(px(current), py(current)); brush.lineTo(px(j), py(j)); brush.stroke();
        ring(brush, px(j), py(j), radius + 2, paint.accent, 1.6);
      }
      ring(brush, px(current), py(current), radius + 5, paint.accent, 3);
    }
    if (drawn.length > 1) {
      brush.beginPath();
      drawn.forEach(([x, y], k) => (k ? brush.lineTo(x, y) : brush.moveTo(x, y)));
      brush.closePath();
      brush.strokeStyle = paint.accent;
      brush.lineWidth = 1.5;
      brush.stroke();
      brush.globalAlpha = 0.12;
      brush.fillStyle = paint.accent;
      brush.fill();
      brush.globalAlpha = 1;
    }
  }

  function nearestTo(x, y, reach) {
    let best = -1, least = reach * reach;
    for (let i = 0; i < n; i++) {
      if (!shown[data.label[i]]) continue;
      const dx = px(i) - x, dy = py(i) - y, d = dx * dx + dy * dy;
      if (d < least) { least = d; best = i; }
    }
    return best;
  }

  function visit(row) {
    if (row === current) return;
    current = row;
    if (row >= 0) tell(row);
    soon();
  }

  function tell(row) {
    const large = picture(row);
    large.classList.add('large');
    const words = element('p');
    words.append(element('b', '', said(row)), element('span', 'file', data.files[row]));
    if (flagged.has(row)) words.append(element('span', 'flag', t('flagged')));
    const list = element('div', 'near');
    for (const j of data.near[row] || []) {
      const button = element('button');
      button.type = 'button';
      button.title = `${data.files[j]}: ${said(j)}`;
      button.append(data.small[j] ? picture(j) : element('span', 'gone', data.files[j].split('/').pop().slice(0, 14)), element('small', '', data.classes[data.label[j]]));
      button.addEventListener('click', () => visit(j));
      list.append(button);
    }
    byId('map-panel').replaceChildren(large, words, element('h3', '', t('Most similar photos')), list);
  }

  function choose(rows) {
    chosen = new Set(rows);
    const list = [...chosen].sort((a, b) => a - b).map((i) => data.files[i]);
    byId('map-count').textContent = list.length === 1 ? t('1 photo selected') : t('{n} photos selected', {n: list.length});
    byId('map-files').value = list.join('\n');
    byId('map-chosen').hidden = !list.length;
    soon();
  }

  function inside(line, x, y) {
    let odd = false;
    for (let a = 0, b = line.length - 1; a < line.length; b = a++) {
      const [xa, ya] = line[a], [xb, yb] = line[b];
      if ((ya > y) !== (yb > y) && x < (xb - xa) * (y - ya) / (yb - ya) + xa) odd = !odd;
    }
    return odd;
  }

  function finish() {
    touching = false;
    const line = drawn;
    drawn = [];
    if (line.length < 6) { soon(); return; }
    const rows = [];
    for (let i = 0; i < n; i++) if (shown[data.label[i]] && inside(line, px(i), py(i))) rows.push(i);
    choose(rows);
  }

  const drawing = byId('map-lasso');
  const mayDraw = (event) => event.pointerType === 'mouse' || drawing.getAttribute('aria-pressed') === 'true';
  const spot = (event) => { const r = canvas.getBoundingClientRect(); return [event.clientX - r.left, event.clientY - r.top]; };
  canvas.addEventListener('pointerdown', (event) => {
    const at = spot(event);
    const row = nearestTo(...at, 18);
    if (row >= 0) visit(row);
    if (!mayDraw(event) || event.button) return;
    touching = true;
    drawn = [at];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', (event) => {
    const at = spot(event);
    if (touching) {
      const [x, y] = drawn[drawn.length - 1];
      if (Math.hypot(at[0] - x, at[1] - y) > 3) { drawn.push(at); soon(); }
    } else if (event.pointerType === 'mouse') {
      const row = nearestTo(...at, 24);
      if (row >= 0) visit(row);
    }
  });
  canvas.addEventListener('pointerup', finish);
  canvas.addEventListener('pointercancel', () => { touching = false; drawn = []; soon(); });

  const ways = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  function step([wx, wy]) {
    if (current < 0) { visit(nearestTo(side / 2, side / 2, 1e9)); return; }
    let best = -1, least = Infinity;
    const x = px(current), y = py(current);
    for (let i = 0; i < n; i++) {
      if (i === current || !shown[data.label[i]]) continue;
      const dx = px(i) - x, dy = py(i) - y;
      const along = dx * wx + dy * wy, aside = Math.abs(dx * wy - dy * wx);
      if (along <= 0.01 || aside > 2 * along) continue;
      if (along + 2 * aside < least) { least = along + 2 * aside; best = i; }
    }
    if (best >= 0) visit(best);
  }

  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (ways[event.key]) step(ways[event.key]);
    else if (event.key === 'Enter' || event.key === ' ') {
      if (current < 0) return;
      const rows = new Set(chosen);
      if (!rows.delete(current)) rows.add(current);
      choose(rows);
    } else if (event.key === 'Escape') choose([]);
    else if (event.key === '+' || event.key === '=') come(2);
    else if (event.key === '-') come(0.5);
    else return;
    event.preventDefault();
  });

  function come(times) {
    zoom = Math.min(64, Math.max(1, zoom * times));
    middle = zoom === 1 ? [unit / 2, unit / 2] : current >= 0 ? [data.x[current], data.y[current]] : middle;
    layout();
  }

  function next(rows) {
    if (!rows.length) return;
    const after = rows.find((i) => i > current);
    visit(after === undefined ? rows[0] : after);
    if (zoom > 1) { middle = [data.x[current], data.y[current]]; drawAll(); }
  }

  byId('map-zoom-in').addEventListener('click', () => come(2));
  byId('map-zoom-out').addEventListener('click', () => come(0.5));
  byId('map-reset').addEventListener('click', () => come(0));
  byId('map-wrong').addEventListener('click', () => next(wrong));
  byId('map-wrong').hidden = !wrong.length;
  if (byId('map-flagged')) byId('map-flagged').addEventListener('click', () => next([...flagged]));
  drawing.addEventListener('click', () => {
    const on = drawing.getAttribute('aria-pressed') !== 'true';
    drawing.setAttribute('aria-pressed', String(on));
    canvas.classList.toggle('drawing', on);
  });
  byId('map-clear').addEventListener('click', () => { choose([]); canvas.focus(); });
  byId('map-copy').addEventListener('click', async () => {
    const files = byId('map-files');
    const button = byId('map-copy');
    try {
      await navigator.clipboard.writeText(files.value);
    } catch (refused) {
      files.select();
      document.execCommand('copy');
    }
    button.textContent = t('Copied');
    setTimeout(() => { button.textContent = t('Copy list'); }, 1500);
  });

  data.classes.forEach((name, c) => {
    const button = element('button', `class-${c % HUES} shape-${SHAPES[Math.floor(c / HUES) % SHAPES.length]}`);
    button.type = 'button';
    button.append(element('i'), element('span', '', name));
    button.setAttribute('aria-pressed', 'true');
    button.addEventListener('click', () => {
      shown[c] = !shown[c];
      button.setAttribute('aria-pressed', String(shown[c]));
      drawAll();
    });
    byId('map-legend').append(button);
  });
  if (wrong.length) byId('map-legend').append(mark('mistake', t('misclassified'), 'wrong'));
  if (flagged.size) byId('map-legend').append(mark('finding', t('flagged'), 'flagged'));

  function mark(look, text, which) {
    const made = element('button', `mark ${look}`);
    made.type = 'button';
    made.append(element('i'), element('span', '', text));
    made.setAttribute('aria-pressed', 'true');
    made.addEventListener('click', () => {
      marked[which] = !marked[which];
      made.setAttribute('aria-pressed', String(marked[which]));
      drawAll();
    });
    return made;
  }

  new ResizeObserver(layout).observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', layout);
}

if (canvas && data.x) startMap();
