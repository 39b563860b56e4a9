// The page: photos in, answers out. What answers is `openModel`, `answerPhoto` and `answerFrame`: the browser (local.mjs), or a server.

const $ = (id) => document.getElementById(id);
const RESULTS = [];
let camera = null, busy = false;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const percent = (p) => `${(100 * p).toFixed(1)}%`;
const say = (text) => { $("status").textContent = text; };

async function start() {
  await openModel((share) => { $("bar").value = share; });
  $("loading").hidden = true;
  for (const control of document.querySelectorAll("[data-needs-model]")) control.disabled = false;
  document.body.dataset.ready = "yes";
  say(t("Ready."));
}

function order(proba) {
  return proba.map((p, c) => [p, c]).sort((a, b) => b[0] - a[0]);
}

// The class that the model's decision gives: as penult's `DecisionRule`
function decide(proba) {
  const rule = about.decision ?? {}, best = (values) => values.reduce((b, v, c) => (v > values[b] ? c : b), 0);
  const place = (name) => about.classes.indexOf(name);
  if (rule.kind === "target") {
    const chosen = place(rule.class);
    return proba[chosen] >= rule.threshold ? chosen : best(proba.map((p, c) => (c === chosen ? -1 : p)));
  }
  if (rule.kind !== "cost") return best(proba);
  const costs = about.classes.map((_, i) => about.classes.map((_, j) => Number(i !== j)));
  for (const [label, called, cost] of rule.costs) costs[place(label)][place(called)] = cost;
  return best(about.classes.map((_, j) => -proba.reduce((sum, p, i) => sum + p * costs[i][j], 0)));
}

// The classes of the prediction set, the most probable first; null for a model without sets
function heldIn(proba) {
  if (!about.conformal) return null;
  return order(proba).filter(([p, c], i) => i === 0 || p >= about.conformal.thresholds[c]).map(([, c]) => about.classes[c]);
}

function decided(proba) {
  const said = (about.decision ?? {}).kind === undefined ? [] : [t("Decision: {label}", { label: about.classes[decide(proba)] })];
  if (about.conformal) said.push(t("{level} set: {labels}", { level: percent(about.conformal.level), labels: heldIn(proba).join(t(", ")) }));
  return said.length ? [element("p", { class: "note" }, said.join(t(". ")))] : [];
}

// The classes that an answer gives: with several labels a photo each from its threshold on, else that of the decision
const given = (proba) => (about.thresholds ? about.classes.map((_, c) => c).filter((c) => proba[c] >= about.thresholds[c]) : [decide(proba)]);

// How sure an answer is: with several labels the least sure of all its answers, those not given among them
function confidence(proba) {
  if (!about.thresholds) return proba[decide(proba)];
  return Math.min(...proba.map((p, c) => (p >= about.thresholds[c] ? p : 1 - p)));
}

const separator = () => [...";|,/"].find((sign) => !about.classes.some((name) => name.includes(sign))) ?? "\t";
const labels = (proba) => given(proba).map((c) => about.classes[c]).join(separator());

function bars(proba) {
  const several = Boolean(about.thresholds), chosen = proba.length ? given(proba) : [];
  const list = element("ul", { class: several ? "bars labels" : "bars" });
  if (several && proba.length && !chosen.length) list.append(element("li", { class: "given" }, t("None of the labels")));
  for (const [p, c] of order(proba).slice(0, several ? Math.max(6, chosen.length) : 3)) {
    const line = element("li", chosen.includes(c) ? { class: "given" } : {}, element("span", { class: "name" }, about.classes[c]), element("span", { class: "share" }, percent(p)));
    const meter = element("span", { class: "meter", "aria-hidden": "true" }, element("span"));
    meter.firstChild.style.width = `${100 * p}%`;
    line.append(meter);
    list.append(line);
  }
  return list;
}

function card(result) {
  const made = element("article", { class: "card", tabindex: "-1" });
  const image = element("img", { alt: "", src: result.url, loading: "lazy" });
  made.append(image, element("h3", {}, result.name));
  if (result.error) made.append(element("p", { class: "warning" }, t("cannot be read here: {error}", { error: result.error })));
  else {
    made.append(bars(result.proba), ...decided(result.proba));
    if (result.novelty > 1) made.append(element("p", { class: "warning" }, t("Unlike the training photos: do not rely on the answer.")));
  }
  if (result.note) made.append(element("p", { class: "note" }, t("{note}: the answer may differ a little from penult's.", { note: result.note })));
  return made;
}

const top = (result) => (result.error ? [-1, -1] : [confidence(result.proba), given(result.proba)[0] ?? about.classes.length]);

function show() {
  const by = $("sort").value, rows = RESULTS.slice();
  if (by === "class") rows.sort((a, b) => top(a)[1] - top(b)[1] || top(b)[0] - top(a)[0]);
  if (by === "doubt") rows.sort((a, b) => top(a)[0] - top(b)[0]);
  if (by === "novelty") rows.sort((a, b) => (b.novelty || 0) - (a.novelty || 0));
  $("cards").replaceChildren(...rows.map((row) => (row.card ??= card(row))));
  const counts = about.classes.map(() => 0);
  for (const row of RESULTS) if (!row.error) for (const c of given(row.proba)) counts[c]++;
  $("counts").textContent = about.classes.map((name, c) => [name, counts[c]]).filter(([, n]) => n).map(([name, n]) => `${name} ${n}`).join(" · ");
  $("results").hidden = RESULTS.length === 0;
}

async function take(files) {
  const photos = [...files].filter((file) => file.size && !file.name.startsWith("."));
  if (!photos.length || busy) return;
  busy = true;
  $("bar").value = 0;
  $("loading").hidden = false;
  for (const [i, file] of photos.entries()) {
    say(t("Photo {i} of {n}", { i: i + 1, n: photos.length }));
    $("bar").value = i / photos.length;
    const result = { name: file.webkitRelativePath || file.name, url: URL.createObjectURL(file) };
    try {
      Object.assign(result, await answerPhoto(file));
    } catch (error) {
      result.error = String(error.message ?? error);
    }
    RESULTS.push(result);
    if (i % 20 === 19) show();
    await new Promise((resolve) => setTimeout(resolve));
  }
  busy = false;
  $("loading").hidden = true;
  show();
  say(photos.length === 1 ? t("1 photo answered.") : t("{n} photos answered.", { n: photos.length }));
}

// Names may begin as formulas do; a spreadsheet must not run them
const cell = (value) => {
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

function table(separator) {
  const head = ["file", about.thresholds ? "labels" : "label", "confidence", ...about.classes, "novelty", ...(about.conformal ? ["prediction_set"] : [])];
  const rows = RESULTS.filter((row) => !row.error).map((row) => {
    return [row.name, labels(row.proba), confidence(row.proba).toFixed(6), ...row.proba.map((q) => q.toFixed(6)), Number.isFinite(row.novelty) ? row.novelty.toFixed(4) : "", ...(about.conformal ? [heldIn(row.proba).join(";")] : [])];
  });
  const line = (row) => (separator === "," ? row.map((v) => cell(String(v))) : row.map((v) => String(v).replace(/[\t\r\n]/g, " "))).join(separator);
  return [head, ...rows].map(line).join("\r\n");
}

async function live() {
  const button = $("camera"), video = $("video"), place = $("live");
  if (camera) {
    camera.getTracks().forEach((track) => track.stop());
    camera = null;
    place.hidden = true;
    button.textContent = t("Use the camera");
    return;
  }
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
  } catch (error) {
    say(t("The camera cannot be used: {error}", { error: error.message }));
    return;
  }
  video.srcObject = camera;
  await video.play();
  place.hidden = false;
  button.textContent = t("Stop the camera");
  while (camera) {
    const { proba, novelty } = await answerFrame(video).catch((error) => {
      say(t("The camera's picture was not answered: {error}", { error: error.message }));
      return { proba: [], novelty: NaN };
    });
    $("answer").replaceChildren(bars(proba), ...(proba.length ? decided(proba) : []), ...(novelty > 1 ? [element("p", { class: "warning" }, t("Unlike the training photos."))] : []));
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

// Files of a dropped folder, one level after the other
async function dropped(items) {
  const found = [], waiting = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  while (waiting.length) {
    const entry = waiting.shift();
    if (entry.isFile) found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    else {
      const reader = entry.createReader();
      for (let part; (part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length;) waiting.push(...part);
    }
  }
  return found;
}

for (const id of ["files", "folder"]) $(id).addEventListener("change", (event) => {
  take([...event.target.files]);
  event.target.value = "";
});
$("camera").addEventListener("click", live);
$("sort").addEventListener("change", show);
function clear() {
  for (const row of RESULTS.splice(0)) URL.revokeObjectURL(row.url);
  show();
  say(t("Ready."));
}

$("clear").addEventListener("click", clear);
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(table("\t"));
  say(t("The table is on the clipboard."));
});
$("save").addEventListener("click", () => {
  const url = URL.createObjectURL(new Blob(["\ufeff", table(",")], { type: "text/csv" }));
  element("a", { href: url, download: "predictions.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
});
addEventListener("dragover", (event) => { event.preventDefault(); document.body.dataset.over = "yes"; });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) delete document.body.dataset.over; });
addEventListener("drop", async (event) => {
  event.preventDefault();
  delete document.body.dataset.over;
  if (document.body.dataset.ready) take(await dropped(event.dataTransfer.items));
});

start().catch((error) => {
  $("loading").hidden = true;
  say(trouble(error));
});
