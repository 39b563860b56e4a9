// The model in the browser: unpacked from the page, run in WebAssembly.

const about = JSON.parse(document.getElementById("about").textContent);
let session = null, ort = null;

// Packed parts: gzip in base64
async function unpack(id, done) {
  const block = $(id), text = block.textContent;
  const size = Number(block.dataset.size), out = new Uint8Array(size);
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  for (let at = 0; ;) {
    const { done: ended, value } = await reader.read();
    if (ended) break;
    out.set(value, at);
    at += value.length;
    done(at / size);
  }
  block.remove();
  return out;
}

async function openModel(progress) {
  const parts = ["glue", "wasm", "network"], shares = [0.02, 0.38, 0.55];
  let before = 0;
  const unpacked = {};
  for (const [i, part] of parts.entries()) {
    unpacked[part] = await unpack(part, (share) => progress(before + shares[i] * share));
    before += shares[i];
  }
  const glue = URL.createObjectURL(new Blob([unpacked.glue], { type: "text/javascript" }));
  ort = await import(glue);
  URL.revokeObjectURL(glue);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = unpacked.wasm.buffer;
  session = await ort.InferenceSession.create(unpacked.network, { executionProviders: ["wasm"] });
}

const trouble = (error) => t("This browser cannot run the model: {error}. Take a current Chrome, Edge, Firefox or Safari.", { error: error.message });

// One photo through the network: probabilities and novelty
export async function classify({ rgb, width, height }) {
  const feeds = {};
  about.inputs.forEach((recipe, i) => {
    const { size } = recipe, pixels = prepare(rgb, width, height, recipe, about.may_begin_with_y);
    feeds[`pixels_${i}`] = new ort.Tensor("uint8", pixels, [1, size, size, 3]);
  });
  const given = await session.run(feeds, ["probabilities", "novelty"]);
  return { proba: Array.from(given.probabilities.data), novelty: given.novelty.data[0] };
}

async function answerPhoto(file) {
  try {
    const picture = await decode(file);
    return { ...(await classify(picture)), note: picture.note };
  } catch (error) {
    throw error.name === "InvalidStateError" ? new Error(t("no picture that this browser knows")) : error;
  }
}

const answerFrame = (video) => classify(fromVideo(video));

globalThis.penult = { decode, prepare, classify };
