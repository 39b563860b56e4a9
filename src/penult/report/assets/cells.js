// The cells of the confusion matrix open their photos: mistakes the most confident first, right ones the least confident first.
const PAGE_OF_PHOTOS = 60;
const box = byId('cell');

function rowsOf(label, given) {
  const rows = [];
  for (let i = 0; i < data.files.length; i++) {
    if (data.label[i] === label && data.given[i] === given) rows.push(i);
  }
  const sign = label === given ? 1 : -1;
  const seen = (i) => (data.small[i] ? 0 : 1);
  return rows.sort((a, b) => seen(a) - seen(b) || sign * (data.sure[a] - data.sure[b]) || a - b);
}

function open(label, given) {
  const rows = rowsOf(label, given);
  const names = [data.classes[label], data.classes[given]];
  const values = {n: rows.length, label: names[0], given: names[1]};
  byId('cell-title').textContent = label === given ? t('{n} × {label}, correct', values) : t('{n} × labelled {label}, predicted {given}', values);
  const place = byId('cell-photos');
  const more = byId('cell-more');
  place.replaceChildren();
  let shown = 0;
  const show = () => {
    for (const row of rows.slice(shown, shown + PAGE_OF_PHOTOS)) {
      const card = element('figure');
      const words = element('figcaption');
      words.append(element('span', '', percent(data.sure[row])), element('span', 'file', data.files[row]));
      card.append(picture(row), words);
      place.append(card);
    }
    shown = Math.min(shown + PAGE_OF_PHOTOS, rows.length);
    more.hidden = shown >= rows.length;
    more.textContent = t('Show more ({n} left)', {n: rows.length - shown});
  };
  more.onclick = show;
  show();
  box.showModal();
}

if (box) {
  document.querySelectorAll('[data-cell]').forEach((cell) => {
    const [label, given] = cell.dataset.cell.split(',').map(Number);
    cell.addEventListener('click', () => open(label, given));
  });
  box.querySelector('.close').addEventListener('click', () => box.close());
  box.addEventListener('click', (event) => { if (event.target === box) box.close(); });
}
