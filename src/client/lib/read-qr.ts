// QR codes from a camera or a picture. The decoder is loaded when the first one is to be read; pictures never leave
// this page.
const MAX_SIDE_PX = 1600;
const CAMERA_SIDE_PX = 720;
/** How long optional retries may take: a still picture has time, a camera has its next frame. */
const PICTURE_MS = 400;
const FRAME_MS = 16;
const BETWEEN_FRAMES_MS = 120;

interface Source {
  readonly image: CanvasImageSource;
  readonly width: number;
  readonly height: number;
}

const loadDecoder = () => import('qr/decode.js');

/** The text of the QR code in what the source shows now, or null. */
async function decode(source: Source, limits: { side: number; timeLimit: number }): Promise<string | null> {
  const { decodeQR } = await loadDecoder();
  const scale = Math.min(1, limits.side / Math.max(source.width, source.height));
  const width = Math.max(1, Math.round(source.width * scale));
  const height = Math.max(1, Math.round(source.height * scale));
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) return null;
  context.drawImage(source.image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  try {
    return decodeQR({ data, width, height }, { timeLimit: limits.timeLimit });
  } catch {
    return null; // no code in sight
  }
}

/** The text of the QR code in a picture; null when there is none, or it is no picture. */
export async function readPicture(file: Blob): Promise<string | null> {
  const image = await createImageBitmap(file).catch(() => null);
  if (!image) return null;
  const { width, height } = image;
  const text = await decode({ image, width, height }, { side: MAX_SIDE_PX, timeLimit: PICTURE_MS });
  image.close();
  return text;
}

/** Shows the camera in `video` and tells every QR code it sees until the returned function is called. */
export async function watchCamera(
  video: HTMLVideoElement,
  onText: (text: string) => void,
): Promise<() => void> {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: 'environment' },
    audio: false,
  });
  let isOver = false;
  video.srcObject = stream;
  const stop = (): void => {
    isOver = true;
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
  const look = async (): Promise<void> => {
    const { videoWidth: width, videoHeight: height } = video;
    const limits = { side: CAMERA_SIDE_PX, timeLimit: FRAME_MS };
    const text = width > 0 ? await decode({ image: video, width, height }, limits) : null;
    if (isOver) return;
    if (text !== null) onText(text);
    setTimeout(() => void look(), BETWEEN_FRAMES_MS);
  };
  try {
    await video.play();
  } catch (error) {
    stop();
    throw error;
  }
  void look();
  return stop;
}
