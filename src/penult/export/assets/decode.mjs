// From a file to upright RGB bytes on white, as penult decodes it; what a browser decodes otherwise is named.

const uint16 = (b, at) => (b[at] << 8) | b[at + 1];
const ascii = (b, at, text) => [...text].every((c, i) => b[at + i] === c.charCodeAt(0));

// What a browser decodes otherwise than penult, by the first bytes of a file; "" where both agree
export function difference(head) {
  if (ascii(head, 1, "PNG")) return head[24] === 16 ? t("16-bit PNG, read with 8 bits") : "";
  if (head[0] === 0xff && head[1] === 0xd8) {
    for (let at = 2; at + 9 < head.length && head[at] === 0xff;) {
      const marker = head[at + 1];
      if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
        return head[at + 9] === 4 ? t("CMYK JPEG, whose colors browsers convert otherwise") : "";
      at += 2 + uint16(head, at + 2);
    }
    return "";
  }
  const known = (ascii(head, 0, "RIFF") && ascii(head, 8, "WEBP")) || ascii(head, 0, "GIF8") || ascii(head, 0, "BM");
  return known ? "" : t("a format that browsers may decode otherwise");
}

let gl = null;

// The very bytes of a picture with transparency; a 2D canvas keeps its colors multiplied by alpha, and loses some
function straight(bitmap) {
  gl ??= new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!gl || Math.max(bitmap.width, bitmap.height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return null;
  const texture = gl.createTexture(), frame = gl.createFramebuffer();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  const data = new Uint8Array(bitmap.width * bitmap.height * 4);
  gl.readPixels(0, 0, bitmap.width, bitmap.height, gl.RGBA, gl.UNSIGNED_BYTE, data);
  const fine = gl.getError() === gl.NO_ERROR;
  gl.deleteFramebuffer(frame);
  gl.deleteTexture(texture);
  return fine ? data : null;
}

function fromCanvas(source, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.drawImage(source, 0, 0);
  return context.getImageData(0, 0, width, height, { colorSpace: "srgb" }).data;
}

// RGBA to RGB on white, rounded as Pillow rounds when it pastes with a mask
function onWhite(data) {
  const rgb = new Uint8Array(data.length / 4 * 3);
  for (let p = 0, q = 0; p < data.length; p += 4, q += 3) {
    const a = data[p + 3];
    for (let c = 0; c < 3; c++) {
      const sum = data[p + c] * a + 255 * (255 - a) + 128;
      rgb[q + c] = a === 255 ? data[p + c] : ((sum >> 8) + sum) >> 8;
    }
  }
  return rgb;
}

function isOpaque(data) {
  for (let p = 3; p < data.length; p += 4) if (data[p] !== 255) return false;
  return true;
}

export async function decode(file) {
  let note = difference(new Uint8Array(await file.slice(0, 65536).arrayBuffer()));
  const bitmap = await createImageBitmap(file, {
    colorSpaceConversion: "none", imageOrientation: "from-image", premultiplyAlpha: "none",
  });
  try {
    const { width, height } = bitmap;
    let data = fromCanvas(bitmap, width, height);
    if (!isOpaque(data)) {
      const exact = straight(bitmap);
      note ||= exact ? "" : t("transparent parts, rounded by the browser");
      data = exact ?? data;
    }
    return { width, height, rgb: onWhite(data), note };
  } finally {
    bitmap.close();
  }
}

export function fromVideo(video) {
  const { videoWidth: width, videoHeight: height } = video;
  return { width, height, rgb: onWhite(fromCanvas(video, width, height)), note: "" };
}
