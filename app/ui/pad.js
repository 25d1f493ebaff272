// The pad: strokes that are drawn on it, or a picture that was put on it; undo and clear. Knows nothing of the service.

const SIDE = 560; // pixels of the canvas
const SENT = 280; // pixels of the picture that is sent: more would not be read better
const PEN = 0.075; // of the side: as wide, beside a digit that fills the pad, as the pens of MNIST
const EMPTY = { strokes: [] };

export class Pad {
  #canvas;
  #ink;
  #changed;
  #ended;
  #history = [EMPTY]; // what was on the pad, last is now: { strokes } or { picture }
  #pointer = null; // the one that draws

  /** `changed` is called after every change, `ended` when a stroke, which was `drawing` many changes, has its end. */
  constructor(canvas, changed, ended) {
    this.#canvas = canvas;
    this.#ink = canvas.getContext("2d");
    this.#changed = changed;
    this.#ended = ended;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#draw(event));
    canvas.addEventListener("pointerup", (event) => this.#end(event));
    canvas.addEventListener("pointercancel", (event) => this.#end(event));
  }

  get drawing() {
    return this.#pointer !== null;
  }

  get isEmpty() {
    const { picture, strokes } = this.#now;
    return !picture && strokes.length === 0;
  }

  get canUndo() {
    return this.#history.length > 1;
  }

  /** What is on the pad, in words. */
  get description() {
    const { picture, strokes } = this.#now;
    if (picture) return picture.name;
    return this.isEmpty ? "empty" : `${strokes.length} ${strokes.length === 1 ? "stroke" : "strokes"}`;
  }

  /** Put a picture on the pad, in the place of what is there: an image to show (or none), and what is sent of it. */
  show(picture) {
    this.#step({ picture });
  }

  clear() {
    if (!this.isEmpty) this.#step(EMPTY);
  }

  undo() {
    if (!this.canUndo || this.drawing) return;
    this.#history.pop();
    this.#paint();
    this.#changed();
  }

  /** What to send of the pad: { body, type }. A picture is sent as it came, a drawing as PNG. */
  async content() {
    const { picture } = this.#now;
    if (picture) return { body: picture.body, type: picture.type };
    const sent = document.createElement("canvas");
    sent.width = sent.height = SENT;
    const paper = sent.getContext("2d");
    paper.fillRect(0, 0, SENT, SENT);
    paper.drawImage(this.#canvas, 0, 0, SENT, SENT);
    return { body: await new Promise((done) => sent.toBlob(done)), type: "image/png" };
  }

  get #now() {
    return this.#history.at(-1);
  }

  #step(next) {
    this.#history.push(next);
    this.#paint();
    this.#changed();
  }

  #begin(event) {
    if (this.drawing || event.button !== 0) return;
    event.preventDefault(); // a press on the pad selects no text and scrolls nothing
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    const stroke = [this.#point(event)];
    this.#step({ strokes: [...(this.#now.strokes ?? []), stroke] });
  }

  #draw(event) {
    if (event.pointerId !== this.#pointer) return;
    const stroke = this.#now.strokes.at(-1);
    // A browser tells once a frame that the pointer moved; in between it may have gone around a corner.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) {
      stroke.push(this.#point(each));
      this.#line(stroke, stroke.length - 1);
    }
    this.#changed();
  }

  #end(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#ended();
  }

  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    const force = event.pointerType === "pen" && event.pressure ? 0.5 + event.pressure : 1;
    return {
      x: ((event.clientX - box.left) / box.width) * SIDE,
      y: ((event.clientY - box.top) / box.height) * SIDE,
      width: PEN * SIDE * force,
    };
  }

  #paint() {
    this.#ink.clearRect(0, 0, SIDE, SIDE);
    const { picture, strokes } = this.#now;
    if (picture) this.#fit(picture);
    for (const stroke of strokes ?? []) stroke.forEach((_, index) => this.#line(stroke, index));
  }

  #fit({ image, pixelated }) {
    if (!image) return;
    const scale = SIDE / Math.max(image.width, image.height);
    const [width, height] = [image.width * scale, image.height * scale];
    this.#ink.imageSmoothingEnabled = !pixelated;
    this.#ink.drawImage(image, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
  }

  /** Draw a stroke's line to one of its points; to the first, a dot. */
  #line(stroke, index) {
    const [from, to] = [stroke[Math.max(index - 1, 0)], stroke[index]];
    this.#ink.strokeStyle = this.#ink.fillStyle = "#fff";
    this.#ink.lineCap = "round";
    this.#ink.lineWidth = to.width;
    this.#ink.beginPath();
    this.#ink.arc(to.x, to.y, to.width / 2, 0, 2 * Math.PI);
    this.#ink.fill();
    this.#ink.beginPath();
    this.#ink.moveTo(from.x, from.y);
    this.#ink.lineTo(to.x, to.y);
    this.#ink.stroke();
  }
}
