// The page: what is drawn, chosen, pasted or dropped goes to the service, and its answer is shown.

import { a, Answer } from "./answer.js";
import { Asker } from "./asker.js";
import { Pad } from "./pad.js";
import * as service from "./service.js";

const MODEL_AGE_MS = 60_000; // a deployment may bring another model while the page is open
// What feedback's refusals mean to who pressed a button, by their status.
const NOT_COUNTED = {
  404: "Thank you, but this answer is remembered no more, or by another copy of the service. Draw it again, then tell.",
  409: "Thank you. This answer was counted before.",
};

const $ = (id) => document.getElementById(id);
const answer = new Answer();
const pad = new Pad($("pad"), changed, settle);
const asker = new Asker(async (signal) => service.predict(await pad.content(), signal), answered, refused);
let last = null; // the answer that is shown
let modelAsked = -Infinity;

function changed() {
  $("undo").disabled = !pad.canUndo;
  $("clear").disabled = pad.isEmpty;
  document.body.classList.toggle("drawn", !pad.isEmpty);
  $("pad").setAttribute("aria-label", `Drawing area, ${pad.description}`);
  if (pad.isEmpty) {
    asker.forget();
    forget();
    say("");
  } else {
    offer(false);
    asker.wake();
  }
}

function forget() {
  last = null;
  answer.clear();
  offer(false);
}

function answered(said) {
  last = said;
  say("");
  answer.show(said);
  settle();
  showModel();
}

function refused(error) {
  say(error.message);
  // What is asked again will have its answer; for the rest the one that is shown is of something else.
  if (error.againS === undefined) forget();
}

/** When nobody draws and the newest drawing has its answer, say it, and ask whether it is right. */
function settle() {
  if (!last || pad.drawing || !asker.isDone) return;
  answer.speak(last);
  offer(true);
}

function offer(isOffered) {
  document.body.classList.toggle("answered", isOffered);
  choose(false);
  $("by-hand").hidden = true;
  for (const id of ["right", "wrong"]) $(id).disabled = last?.confirmed ?? false;
}

function choose(isOpen) {
  $("choice").hidden = !isOpen;
  $("wrong").setAttribute("aria-expanded", isOpen);
}

function say(sentence) {
  $("notice").textContent = sentence;
}

async function confirm(label) {
  const about = last;
  about.confirmed = true;
  offer(true);
  $("copy").focus(); // what was pressed is no longer there
  try {
    const { right } = await service.confirm(about.requestId, label);
    say(`Thank you. Counted: ${a(label)}, read ${right ? "right" : `as ${a(about.prediction)}`}.`);
  } catch (error) {
    about.confirmed = error.status === 409;
    say(NOT_COUNTED[error.status] ?? error.message);
    if (about === last) offer(true);
  }
}

async function showModel() {
  if (performance.now() - modelAsked < MODEL_AGE_MS) return;
  modelAsked = performance.now();
  try {
    $("model").textContent = (await service.model()).version;
  } catch {
    modelAsked = -Infinity; // it is asked again with the next answer
  }
}

/** Put a file on the pad. It is sent as it is; what it shows here is only to look at. */
async function put(file) {
  if (!file) return;
  const image = await createImageBitmap(file).catch(() => null); // whether it is a picture, is for the service to say
  pad.show({ image, body: file, type: file.type || "application/octet-stream", name: `picture ${file.name}` });
}

async function sample(digit) {
  try {
    const numbers = await service.example(digit);
    const grey = numbers.flatMap((number) => [255 * number, 255 * number, 255 * number, 255]);
    const image = await createImageBitmap(new ImageData(new Uint8ClampedArray(grey), 28));
    const body = JSON.stringify({ image: numbers });
    pad.show({ image, pixelated: true, body, type: "application/json", name: `a sample of the digit ${digit}` });
  } catch (error) {
    say(error.message);
  }
}

async function copy() {
  const command = service.curl(last.preprocessed);
  try {
    await navigator.clipboard.writeText(command);
    say("Copied. Paste it into a terminal.");
  } catch {
    // Browsers give the clipboard to pages of https and of this machine only.
    $("by-hand").hidden = false;
    $("command").value = command;
    $("command").select();
  }
}

function digits(parent, label, pressed) {
  parent.append(
    ...Array.from({ length: 10 }, (_, digit) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = digit;
      button.setAttribute("aria-label", label(digit));
      button.addEventListener("click", () => pressed(digit));
      return button;
    }),
  );
}

digits($("samples"), (digit) => `Sample of the digit ${digit}`, sample);
digits($("labels"), (digit) => `It is ${a(digit)}`, confirm);
$("undo").addEventListener("click", () => pad.undo());
$("clear").addEventListener("click", () => pad.clear());
$("right").addEventListener("click", () => confirm(last.prediction));
$("wrong").addEventListener("click", () => {
  choose($("choice").hidden);
  $("labels").firstElementChild.focus();
});
$("copy").addEventListener("click", copy);
$("file").addEventListener("change", ({ target }) => {
  put(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  pad.undo();
});
document.addEventListener("paste", (event) => put(event.clipboardData.files[0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault(); // without this a browser opens what is dropped
  document.body.classList.add("dropping");
});
for (const name of ["dragleave", "drop"]) {
  document.addEventListener(name, () => document.body.classList.remove("dropping"));
}
document.addEventListener("drop", (event) => {
  event.preventDefault();
  put(event.dataTransfer.files[0]);
});
showModel();
