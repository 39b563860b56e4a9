// The model on a server: each photo is sent to it, and its answer comes back.

const about = { classes: [] };
const PATIENCE = 30; // times that a busy server is asked again
let model = "", models = [], token = sessionStorage.getItem("token") ?? "";

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

async function ask(path, options = {}) {
  for (let left = PATIENCE; ; left--) {
    const access = token ? { Authorization: `Bearer ${token}` } : {};
    const answer = await fetch(path, { ...options, headers: { ...options.headers, ...access } });
    if (answer.status === 401) await askForToken();
    else if (answer.status !== 503 || !left) {
      const said = await answer.json();
      if (!answer.ok) throw new Error(said.error);
      return said;
    } else await pause(Number(answer.headers.get("Retry-After")) || 1);
  }
}

// The token stays in this tab, and is forgotten with it
function askForToken() {
  $("access").hidden = false;
  $("loading").hidden = true;
  say(token ? t("This token is wrong.") : t("This server asks for its token."));
  $("token").focus();
  return new Promise((resolve) => $("access").addEventListener("submit", (event) => {
    event.preventDefault();
    token = $("token").value.trim();
    sessionStorage.setItem("token", token);
    $("token").value = "";
    $("access").hidden = true;
    say(t("Asking the server ..."));
    resolve();
  }, { once: true }));
}

async function openModel(progress) {
  for (let share = 0.1; ; share += (0.9 - share) / 5) {
    progress(share);
    models = (await ask("/models")).models;
    if (models.length) break;
    say(t("The server is starting ..."));
    await pause(1);
  }
  $("model").replaceChildren(...models.map(({ name }) => element("option", { value: name }, name)));
  $("choice").hidden = models.length < 2;
  $("model").addEventListener("change", () => {
    clear();
    choose($("model").value);
  });
  choose(models[0].name);
}

function choose(name) {
  const { classes, verdict, thresholds, decision, conformal, model_version: version } = models.find((one) => one.name === name);
  model = name;
  Object.assign(about, { classes, decision, conformal });
  about.thresholds = thresholds && classes.map((label) => thresholds[label]);
  const shown = classes.length <= 4 ? classes : [...classes.slice(0, 3), t("{n} more", { n: classes.length - 3 })];
  const listed = { first: shown.slice(0, -1).join(t(", ")), last: shown.at(-1) };
  const asked = thresholds ? t("Which of these: {first} and {last}?", listed) : t("Which is it: {first} or {last}?", listed);
  $("limits-classes").hidden = Boolean(thresholds);
  $("limits-labels").hidden = !thresholds;
  document.title = $("title").textContent = asked;
  $("verdict").textContent = verdict;
  $("version").textContent = t("Model {name}, version {version}.", { name, version });
}

const trouble = (error) => t("The server cannot be asked: {error}. Load the page again.", { error: error.message.replace(/[.。]$/, "") });

async function send(photo) {
  const headers = { "Content-Type": photo.type.startsWith("image/") ? photo.type : "application/octet-stream" };
  const [found] = (await ask(`/predict/${encodeURIComponent(model)}`, { method: "POST", body: photo, headers })).predictions;
  return { proba: about.classes.map((name) => found.probabilities[name]), novelty: found.novelty ?? NaN };
}

const answerPhoto = send;

async function answerFrame(video) {
  const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  return send(await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92)));
}
