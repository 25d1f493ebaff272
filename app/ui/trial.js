// A form that sends a call, and the command that does the same in a shell. Paths are relative: the page works wherever
// a proxy puts it.

import { make } from "./element.js";
import { resolved } from "./schema.js";

const FORM = "multipart/form-data";
const PICTURE = "--data-binary @digit.png";
const FILES = { [FORM]: "-F file=@digit.png", "application/octet-stream": "--data-binary @images.bin" };

/** Make the form of a call. `say` tells a sentence to who uses it. */
export function trial(api, call, say) {
  const contents = call.requestBody?.content ?? {};
  const fields = call.parameters
    .map((one) => resolved(api, one))
    .filter((one) => one.in !== "header")
    .map((one) => ({ ...one, input: make("input", { value: one.in === "path" ? one.schema.enum[0] : "" }) }));
  const type = make("select", {}, ...Object.keys(contents).map((name) => make("option", {}, name)));
  const body = make("textarea", { rows: "6", spellcheck: "false" });
  const file = make("input", { type: "file" });
  const ways = [make("label", {}, "Body", body), make("label", {}, "File", file)];
  const command = make("pre", { class: "wrapped", tabindex: "0", "aria-label": "The same in a shell" });
  const answer = make("output", {});
  const copy = make("button", { type: "button" }, "Copy as curl");
  const form = make(
    "form",
    { "aria-label": `${call.method} ${call.path}` },
    ...fields.map(({ name, input }) => make("label", {}, name, input)),
    ...(type.value ? [make("label", {}, "Content-Type", type), ...ways] : []),
    make("div", { class: "tools" }, make("button", {}, "Send"), copy),
    command,
    answer,
  );

  function choose() {
    const [example] = Object.values(contents[type.value]?.examples ?? {});
    [ways[0].hidden, ways[1].hidden] = [!example, Boolean(example)];
    body.value = example ? JSON.stringify(resolved(api, example).value) : "";
    change();
  }

  function change() {
    command.textContent = curl(call.method, url(call.path, fields), type.value, body.value);
  }

  form.addEventListener("input", ({ target }) => (target === type ? choose() : change()));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const options = { method: call.method, ...sent(type.value, ways[0].hidden ? file.files[0] : body.value) };
    answer.replaceChildren(...(await send(url(call.path, fields), options)));
  });
  copy.addEventListener("click", () => copied(command, say));
  choose();
  return form;
}

function url(path, fields) {
  const query = new URLSearchParams();
  for (const { name, in: place, input } of fields) {
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(input.value));
    else if (input.value) query.set(name, input.value);
  }
  return new URL(`.${path}${query.size ? `?${query}` : ""}`, document.baseURI).href;
}

function curl(method, address, type, body) {
  const typed = type && type !== FORM ? ` -H ${quoted(`Content-Type: ${type}`)}` : "";
  const given = body ? `-d ${quoted(body)}` : (FILES[type] ?? PICTURE);
  return `curl -s ${quoted(address)}${method === "POST" ? `${typed} ${given}` : ""}`;
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

async function copied(command, say) {
  try {
    await navigator.clipboard.writeText(command.textContent);
    say("Copied. Paste it into a terminal.");
  } catch {
    // As on every page of plain http that is not this machine's.
    getSelection().selectAllChildren(command);
    say("Selected. Copy it with Ctrl+C.");
  }
}

function sent(type, body) {
  if (type !== FORM) return type ? { body, headers: { "Content-Type": type } } : {};
  const form = new FormData();
  if (body) form.append("file", body);
  return { body: form };
}

async function send(address, options) {
  const start = performance.now();
  try {
    const answer = await fetch(address, options);
    const tookMs = Math.round(performance.now() - start);
    const said = `${answer.status} in ${tookMs} ms, X-Request-Id ${answer.headers.get("X-Request-Id")}`;
    return [make("p", {}, said), await shown(answer)];
  } catch {
    return [make("p", {}, "The service does not answer.")];
  }
}

async function shown(answer) {
  const type = answer.headers.get("Content-Type") ?? "";
  const data = await answer.blob();
  if (type.startsWith("image/")) return make("img", { src: URL.createObjectURL(data), alt: "The answer, a picture" });
  const isText = type.startsWith("text/") || type.startsWith("application/json");
  return make("pre", { class: "wrapped", tabindex: "0" }, isText ? await data.text() : `${data.size} bytes of ${type}`);
}
