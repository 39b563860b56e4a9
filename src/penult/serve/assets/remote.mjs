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
  say(token ? "This token is wrong." : "This server asks for its token.");
  $("token").focus();
  return new Promise((resolve) => $("access").addEventListener("submit", (event) => {
    event.preventDefault();
    token = $("token").value.trim();
    sessionStorage.setItem("token", token);
    $("token").value = "";
    $("access").hidden = true;
    say("Asking the server ...");
    resolve();
  }, { once: true }));
}

async function openModel(progress) {
  for (let share = 0.1; ; share += (0.9 - share) / 5) {
    progress(share);
    models = (await ask("/models")).models;
    if (models.length) break;
    say("The server is starting ...");
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
  const shown = classes.length <= 4 ? classes : [...classes.slice(0, 3), `${classes.length - 3} more`];
  const listed = (word) => `${shown.slice(0, -1).join(", ")} ${word} ${shown.at(-1)}`;
  const asked = thresholds ? `Which of these: ${listed("and")}?` : `Which is it: ${listed("or")}?`;
  $("limits-classes").hidden = Boolean(thresholds);
  $("limits-labels").hidden = !thresholds;
  document.title = $("title").textContent = asked;
  $("verdict").textContent = verdict;
  $("version").textContent = `Model ${name}, version ${version}.`;
}

const trouble = (error) => `The server cannot be asked: ${error.message.replace(/\.$/, "")}. Load the page again.`;

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
