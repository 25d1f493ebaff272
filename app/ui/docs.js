// The description as a page: each call with its shapes, its errors, and a form to try it.

import { make } from "./element.js";
import { resolved, text } from "./schema.js";
import { trial } from "./trial.js";

const $ = (id) => document.getElementById(id);
let api; // the description

function show() {
  $("about").textContent = api.info.description;
  $("version").textContent = `Version ${api.info.version}.`;
  const calls = Object.entries(api.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, call]) => ({ path, method: method.toUpperCase(), ...call })),
  );
  for (const tag of new Set(calls.flatMap((call) => call.tags))) {
    const tagged = calls.filter((call) => call.tags.includes(tag));
    $("calls").append(section(tag, ...tagged.map(details)));
  }
  const { Failure, ProtocolFailure } = api.components.schemas;
  $("calls").append(section("errors", shape(Failure), make("p", {}, "Under /v1 and /v2:"), shape(ProtocolFailure)));
  unfold();
}

function section(name, ...children) {
  return make("section", { "aria-labelledby": `tag-${name}` }, make("h2", { id: `tag-${name}` }, name), ...children);
}

/** Unfold the call that the address names, so that it can be linked to. */
function unfold() {
  const named = $(location.hash.slice(1));
  if (!named) return;
  named.open = true;
  named.scrollIntoView();
}

function details(call) {
  const method = make("code", { class: "method" }, call.method);
  const head = make("summary", {}, method, make("code", {}, call.path), make("span", {}, call.summary));
  const element = make("details", { id: call.operationId }, head);
  // Made when it is looked at: there are many, and some hold hundreds of numbers.
  element.addEventListener("toggle", () => element.append(...content(call)), { once: true });
  return element;
}

function content(call) {
  const answers = Object.entries(call.responses);
  const errors = answers.filter(([, one]) => one.$ref).map(([status, one]) => [status, resolved(api, one).description]);
  const parameters = call.parameters.map((one) => resolved(api, one));
  return [
    ...(call.description ? [make("p", {}, call.description)] : []),
    ...bodies("Send", call.requestBody?.content),
    ...answers.filter(([, one]) => !one.$ref).flatMap(([status, one]) => bodies(status, one.content)),
    make("h3", {}, "Errors"),
    list(errors),
    make("h3", {}, "Parameters"),
    list(parameters.map((one) => [`${one.name}, ${one.in}`, `${one.description} ${text(api, one.schema)}`])),
    make("h3", {}, "Try it"),
    trial(api, call, (sentence) => ($("notice").textContent = sentence)),
  ];
}

function bodies(title, content = {}) {
  return Object.entries(content).flatMap(([type, { schema }]) => [
    make("h3", {}, `${title} `, make("code", {}, type)),
    ...(schema ? [shape(schema)] : []),
  ]);
}

function shape(schema) {
  return make("pre", { tabindex: "0" }, text(api, schema));
}

function list(rows) {
  const pairs = rows.map(([term, text]) => [make("dt", {}, make("code", {}, term)), make("dd", {}, text)]);
  return make("dl", {}, ...pairs.flat());
}

try {
  api = await (await fetch("openapi.json")).json();
} catch {
  $("notice").textContent = "The description could not be loaded. Reload this page.";
}
if (api) show();
addEventListener("hashchange", unfold);
