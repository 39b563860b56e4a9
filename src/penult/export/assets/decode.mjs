// From a file to upright RGB bytes on white, as penult decodes it; what a browser decodes otherwise is named.

const uint16 = (b, at) => (b[at] << 8) | b[at + 1];
const ascii = (b, at, text) => [...text].every((c, i) => b[at + i] === c.charCodeAt(0));

// What the first bytes of a file say: whether some of it may be transparent, and what a browser does otherwise
export function inspect(head) {
  if (ascii(head, 1, "PNG")) {
    const kind = head[25];
    return { alpha: true, note: head[24] === 16 ? "16-bit PNG, shown with 8 bits" : "", opaque: kind === 0 || kind === 2 };
  }
  if (head[0] === 0xff && head[1] === 0xd8) {
    for (let at = 2; at + 9 < head.length && head[at] === 0xff;) {
      const marker = head[at + 1];
      if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
        return { alpha: false, note: head[at + 9] === 4 ? "CMYK JPEG, whose colors browsers convert otherwise" : "" };
      at += 2 + uint16(head, at + 2);
    }
    return { alpha: false, note: "" };
  }
  if (ascii(head, 0, "RIFF") && ascii(head, 8, "WEBP")) return { alpha: !ascii(head, 12, "VP8 "), note: "" };
  return { alpha: true, note: ascii(head, 0, "GIF8") ? "" : "a format that browsers may decode otherwise" };
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

export async function decode(file) {
  const { alpha, note } = inspect(new Uint8Array(await file.slice(0, 65536).arrayBuffer()));
  const bitmap = await createImageBitmap(file, {
    colorSpaceConversion: "none", imageOrientation: "from-image", premultiplyAlpha: "none",
  });
  try {
    const { width, height } = bitmap;
    const exact = alpha ? straight(bitmap) : null;
    const rgb = onWhite(exact ?? fromCanvas(bitmap, width, height));
    return { width, height, rgb, note };
  } finally {
    bitmap.close();
  }
}

export function fromVideo(video) {
  const { videoWidth: width, videoHeight: height } = video;
  return { width, height, rgb: onWhite(fromCanvas(video, width, height)), note: "" };
}
