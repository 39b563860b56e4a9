// Draw the dots of the map: all of them once into a picture of its own, then only what changes over it.
const HUES = 8;
const SHAPES = ['circle', 'square', 'triangle', 'diamond', 'cross'];

function colours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return {
    classes: Array.from({length: HUES}, (_, i) => get(`--class-${i}`)),
    ink: get('--ink'), paper: get('--card'), accent: get('--accent'), alarm: get('--alarm'),
  };
}

function outline(brush, shape, x, y, r) {
  if (shape === 'circle') {
    brush.moveTo(x + r, y);
    brush.arc(x, y, r, 0, 2 * Math.PI);
  } else if (shape === 'square') {
    brush.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  } else if (shape === 'triangle') {
    brush.moveTo(x, y - r * 1.2); brush.lineTo(x + r * 1.1, y + r * 0.8); brush.lineTo(x - r * 1.1, y + r * 0.8); brush.closePath();
  } else if (shape === 'diamond') {
    brush.moveTo(x, y - r * 1.3); brush.lineTo(x + r * 1.3, y); brush.lineTo(x, y + r * 1.3); brush.lineTo(x - r * 1.3, y); brush.closePath();
  } else {
    const w = r * 0.42;
    brush.rect(x - r * 1.2, y - w, r * 2.4, 2 * w);
    brush.rect(x - w, y - r * 1.2, 2 * w, r * 2.4);
  }
}

// One dot of each class as a small picture: copying it is many times faster than filling an outline.
function sprites(paint, radius, ratio, count) {
  const side = Math.ceil(radius * 2 * 1.4 + 4);
  return Array.from({length: count}, (_, c) => {
    const sheet = document.createElement('canvas');
    sheet.width = sheet.height = side * ratio;
    const brush = sheet.getContext('2d');
    brush.scale(ratio, ratio);
    brush.beginPath();
    outline(brush, SHAPES[Math.floor(c / HUES) % SHAPES.length], side / 2, side / 2, radius);
    brush.fillStyle = paint.classes[c % HUES];
    brush.strokeStyle = paint.paper;
    brush.lineWidth = 1;
    brush.fill();
    brush.stroke();
    return {sheet, side};
  });
}

function ring(brush, x, y, r, colour, width) {
  brush.beginPath();
  brush.arc(x, y, r, 0, 2 * Math.PI);
  brush.strokeStyle = colour;
  brush.lineWidth = width;
  brush.stroke();
}
