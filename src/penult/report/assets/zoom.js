// Photos of the galleries open larger: by click or Enter, from one to the next by button or arrow key, closed by Escape.
const zoom = byId('zoom');
const large = [...document.querySelectorAll('.gallery img')];
let seen = 0;

function look(at) {
  seen = (at + large.length) % large.length;
  const photo = large[seen];
  const made = element('img');
  made.src = photo.src;
  made.alt = photo.alt;
  const figure = photo.closest('figure');
  byId('zoom-title').textContent = t('Photo {i} of {n}', {i: seen + 1, n: large.length});
  const words = element('figcaption');
  words.append(...[...figure.querySelector('figcaption').childNodes].map((one) => one.cloneNode(true)));
  const card = element('figure');
  card.append(made, words);
  byId('zoom-photo').replaceChildren(card);
}

large.forEach((photo, at) => {
  const button = element('button', photo.classList.contains('heat') ? 'open heat' : 'open');
  button.type = 'button';
  button.setAttribute('aria-label', t('Show larger: {photo}', {photo: photo.alt}));
  photo.replaceWith(button);
  button.append(photo);
  button.addEventListener('click', () => { look(at); zoom.showModal(); });
});
byId('zoom-back').addEventListener('click', () => look(seen - 1));
byId('zoom-on').addEventListener('click', () => look(seen + 1));
zoom.querySelector('.close').addEventListener('click', () => zoom.close());
zoom.addEventListener('click', (event) => { if (event.target === zoom) zoom.close(); });
zoom.addEventListener('keydown', (event) => {
  if (event.key === 'ArrowLeft') look(seen - 1);
  else if (event.key === 'ArrowRight') look(seen + 1);
});
