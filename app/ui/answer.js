// The answer as it is shown: the digit, how sure the model is, ten bars, what the model saw; and the words of it.

const $ = (id) => document.getElementById(id);
// Never 100 %: no model is that sure, and rounding must not say so.
const percent = (share) => (share < 0.9995 ? `${(100 * share).toFixed(1)} %` : ">99.9 %");

/** A digit with its article, as in "an 8". */
export const a = (digit) => `${digit === 8 ? "an" : "a"} ${digit}`;

export class Answer {
  #bars;

  constructor() {
    this.#bars = Array.from({ length: 10 }, (_, digit) => bar(digit));
    $("bars").append(...this.#bars.map(({ row }) => row));
    this.clear();
  }

  show({ prediction, confidence, probabilities, preprocessed, tookMs }) {
    $("digit").textContent = prediction;
    $("sure").textContent = `${percent(confidence)} sure`;
    probabilities.forEach((share, digit) => this.#set(digit, share, digit === prediction));
    $("seen").src = preprocessed;
    $("seen").hidden = false;
    $("blank").hidden = true;
    $("latency").textContent = `Answered in ${tookMs < 10 ? tookMs.toFixed(1) : Math.round(tookMs)} ms`;
  }

  clear() {
    $("digit").textContent = "?";
    $("sure").textContent = "no digit yet";
    this.#bars.forEach((_, digit) => this.#set(digit, 0, false));
    $("bars").classList.add("empty");
    $("seen").hidden = true;
    $("blank").hidden = false;
    $("spoken").textContent = "";
  }

  /** Let a screen reader say it. Not each answer while the digit is drawn: it would never end. */
  speak({ prediction, confidence, probabilities }) {
    const [second] = [...probabilities.keys()]
      .filter((digit) => digit !== prediction)
      .sort((one, other) => probabilities[other] - probabilities[one]);
    const unsure = confidence < 0.9 ? `, or ${a(second)}, ${percent(probabilities[second])}` : "";
    $("spoken").textContent = `The model reads ${a(prediction)}, ${percent(confidence)} sure${unsure}.`;
  }

  #set(digit, share, isBest) {
    const { row, fill, label } = this.#bars[digit];
    $("bars").classList.remove("empty");
    row.classList.toggle("best", isBest);
    fill.style.transform = `scaleX(${share})`;
    label.textContent = percent(share);
  }
}

function bar(digit) {
  const row = document.createElement("li");
  const [name, track, label] = ["name", "track", "share"].map((kind) => {
    const part = document.createElement("span");
    part.className = kind;
    return part;
  });
  name.textContent = digit;
  const fill = document.createElement("span");
  track.append(fill);
  row.append(name, track, label);
  return { row, fill, label };
}
