// The photos of a page of predictions: filtered, sorted, a page at a time, so that ten thousand of them are no heavier than sixty.
const known = new Set(data.known), unlike = new Set(data.unlike);
const asked = {class: byId('filter-class'), kind: byId('filter-kind'), sort: byId('filter-sort'), file: byId('filter-file')};
const folded = data.files.map((name) => name.toLowerCase());
const collator = new Intl.Collator(undefined, {numeric: true});
const orders = {
  doubt: () => 0, // the order of the rows
  sure: (a, b) => data.sure[b] - data.sure[a],
  unsure: (a, b) => (data.sure[a] < 0) - (data.sure[b] < 0) || data.sure[a] - data.sure[b],
  far: (a, b) => data.far[b] - data.far[a],
  file: (a, b) => collator.compare(data.files[a], data.files[b]),
};
const kinds = {
  all: () => true,
  unsure: (row) => data.sure[row] >= 0 && data.sure[row] < data.unsure,
  sure: (row) => data.sure[row] >= data.unsure,
  unlike: (row) => unlike.has(row),
  known: (row) => known.has(row),
  bad: (row) => row in data.bad,
  heat: (row) => row in data.heat,
};
let found = [], first = 0, shown = 0;

const names = (numbers) => numbers.map((c) => data.classes[c]).join(t(', '));
const answered = (row) => (row in data.bad ? t('unreadable') : names(data.given[row]) || t('no label'));

function choose() {
  const wanted = asked.class.value === '' ? -1 : Number(asked.class.value);
  const kind = kinds[asked.kind.value], text = asked.file.value.toLowerCase();
  found = [];
  for (let row = 0; row < data.files.length; row++) {
    if (wanted >= 0 && !data.given[row].includes(wanted)) continue;
    if (kind(row) && folded[row].includes(text)) found.push(row);
  }
  const order = orders[asked.sort.value];
  found.sort((a, b) => order(a, b) || a - b);
  show(0);
}

function card(place) {
  const row = found[place];
  const made = element('li'), button = element('button', 'open');
  button.type = 'button';
  button.setAttribute('aria-label', t('{file}: {answer}. Show the photo and its probabilities', {file: data.files[row], answer: answered(row)}));
  button.append(picture(row));
  button.addEventListener('click', () => { look(place); box.showModal(); });
  const words = element('div', 'said');
  words.append(element('b', '', answered(row)));
  if (data.sure[row] >= 0) words.append(' ', element('span', '', percent(data.sure[row])));
  for (const flag of flags(row)) words.append(element('span', 'flag', flag));
  words.append(element('span', 'file', data.files[row]));
  made.append(button, words);
  return made;
}

function flags(row) {
  const said = [];
  if (row in data.bad) said.push(data.bad[row]);
  if (kinds.unlike(row)) said.push(t('unlike the training photos'));
  if (known.has(row)) said.push(t('training photo'));
  if (row in data.heat) said.push(t('heat map'));
  return said;
}

function show(start) {
  first = start;
  const last = Math.min(first + data.each, found.length);
  byId('cards').replaceChildren(...Array.from({length: last - first}, (_, i) => card(first + i)));
  const n = found.length.toLocaleString('en');
  const some = found.length === 1 ? t('1 photo') : t('{n} photos', {n});
  byId('found').textContent = found.length ? some : t('No photo is like that.');
  const place = {first: (first + 1).toLocaleString('en'), last: last.toLocaleString('en'), n};
  byId('page-at').textContent = found.length ? t('{first}–{last} of {n}', place) : '';
  byId('page-back').disabled = first === 0;
  byId('page-on').disabled = last >= found.length;
}

function turn(step) {
  show(first + step * data.each);
  byId('answers').scrollIntoView();
}

for (const one of Object.values(asked)) one.addEventListener(one.type === 'search' ? 'input' : 'change', choose);
byId('page-back').addEventListener('click', () => turn(-1));
byId('page-on').addEventListener('click', () => turn(1));
document.querySelectorAll('[data-class]').forEach((one) => one.addEventListener('click', () => {
  asked.class.value = one.dataset.class;
  choose();
  byId('answers').scrollIntoView();
  asked.class.focus({preventScroll: true});
}));

// One photo: its probabilities, and its heat map where the page has one
const box = byId('photo'), heat = byId('photo-heat');

function fact(name, value) {
  const line = element('div');
  line.append(element('dt', '', name), element('dd', '', value));
  return line;
}

function look(place) {
  shown = (place + found.length) % found.length;
  const row = found[shown];
  byId('photo-title').textContent = t('{answer}, photo {i} of {n}', {
    answer: answered(row), i: (shown + 1).toLocaleString('en'), n: found.length.toLocaleString('en'),
  });
  heat.hidden = !(row in data.heat);
  draw(row, heat.getAttribute('aria-pressed') === 'true' && !heat.hidden);
  const facts = element('dl');
  for (const [c, share] of data.top[row]) {
    const line = fact(data.classes[c], percent(share));
    const bar = element('meter');
    bar.max = 10000;
    bar.value = share;
    bar.setAttribute('aria-hidden', 'true');
    line.lastChild.append(bar);
    facts.append(line);
  }
  if (row in data.sets) facts.append(fact(t('prediction set'), names(data.sets[row])));
  if (data.far[row] >= 0) facts.append(fact(t('novelty'), novelty(row)));
  if (row in data.bad) facts.append(fact(t('unreadable'), data.bad[row]));
  if (known.has(row)) facts.append(fact(t('known'), t('a training photo of the model')));
  byId('photo-facts').replaceChildren(facts, element('span', 'file', data.files[row]));
}

function novelty(row) {
  const n = (data.far[row] / 100).toFixed(2);
  return kinds.unlike(row) ? t('{n}, unlike the training photos', {n}) : n;
}

function draw(row, hot) {
  const made = picture(row);
  const code = hot ? data.heat[row] : data.large[row];
  if (code) made.src = data.prefix + code;
  if (hot) made.alt = t('heat map of {file}: what argues for {answer}', {file: data.files[row], answer: answered(row)});
  byId('photo-picture').replaceChildren(made);
}

heat.addEventListener('click', () => {
  const hot = heat.getAttribute('aria-pressed') !== 'true';
  heat.setAttribute('aria-pressed', String(hot));
  draw(found[shown], hot);
});
byId('photo-back').addEventListener('click', () => look(shown - 1));
byId('photo-on').addEventListener('click', () => look(shown + 1));
box.querySelector('.close').addEventListener('click', () => box.close());
box.addEventListener('click', (event) => { if (event.target === box) box.close(); });
box.addEventListener('keydown', (event) => {
  if (event.key === 'ArrowLeft') look(shown - 1);
  else if (event.key === 'ArrowRight') look(shown + 1);
});
choose();
