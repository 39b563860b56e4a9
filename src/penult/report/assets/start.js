// What every part of the script uses: the data of the page, and elements made without markup.
const data = JSON.parse(document.getElementById('photos').textContent);
const byId = (name) => document.getElementById(name);
document.documentElement.classList.add('scripted');

function element(name, look, text) {
  const made = document.createElement(name);
  if (look) made.className = look;
  if (text !== undefined) made.textContent = text;
  return made;
}

// A share in hundredths of a per cent, written as penult.texts.percent writes it.
function percent(hundredths) {
  if (hundredths === 10000 || hundredths === 0) return `${hundredths / 100}%`;
  return `${(hundredths / 100).toFixed(hundredths % 10 ? 2 : 1)}%`;
}

// The small picture of a row, or a box that says that this page has none.
function picture(row) {
  const code = data.small[row];
  if (!code) return data.photos ? element('span', 'gone', t('no thumbnail')) : element('span');
  const made = element('img');
  made.src = data.prefix + code;
  made.alt = data.files[row];
  made.width = made.height = 80;
  return made;
}

function said(row) {
  const label = data.classes[data.label[row]];
  if (data.given[row] < 0) return t('labelled {label}', {label});
  const values = {label, given: data.classes[data.given[row]], share: percent(data.sure[row])};
  const right = data.given[row] === data.label[row];
  return right ? t('correct: {given} ({share})', values) : t('labelled {label}, predicted {given} ({share})', values);
}

// On paper lists stay closed: `findings.csv` has them all.
addEventListener('beforeprint', () => document.querySelectorAll('details').forEach((one) => { one.open = false; }));
