// The calls of the service. Paths are relative: the page works wherever a proxy puts it.

const TIMEOUT_S = 10;
const AGAIN_S = 2;

/** What the service refused, or why it was not reached, as a sentence. With `againS`: ask again in so many seconds. */
export class Refusal extends Error {
  constructor(message, { status = 0, againS } = {}) {
    super(message);
    this.status = status;
    this.againS = againS;
  }
}

/** Ask what is seen in { body, type }. With the answer come its request id, and the milliseconds that it took. */
export async function predict({ body, type }, signal) {
  const start = performance.now();
  const options = { method: "POST", body, headers: { "Content-Type": type } };
  const { said, requestId } = await call("predict?explain=preprocessed", options, signal);
  return { ...said, requestId, tookMs: performance.now() - start };
}

/** Tell which digit it was. */
export async function confirm(requestId, label) {
  const body = JSON.stringify({ request_id: requestId, label });
  return (await call("feedback", { method: "POST", body, headers: { "Content-Type": "application/json" } })).said;
}

/** The manifest of the model that answers. */
export async function model() {
  return (await call("model")).said;
}

/** The 784 numbers of a sample of a digit. */
export async function example(digit) {
  return (await call(`example?digit=${digit}`)).said.image;
}

/** A command for a shell that asks about the picture which the model saw, and so gets the same answer. */
export function curl(preprocessed) {
  const url = new URL("predict?raw=true", document.baseURI).href;
  const image = preprocessed.slice(preprocessed.indexOf(",") + 1);
  return `curl -s ${quoted(url)} -H 'Content-Type: application/json' -d '{"image": "${image}"}'`;
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

async function call(path, options = {}, signal) {
  const signals = [AbortSignal.timeout(TIMEOUT_S * 1000), ...(signal ? [signal] : [])];
  let answer, said;
  try {
    answer = await fetch(path, { ...options, signal: AbortSignal.any(signals) });
    said = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!answer || error.name === "TimeoutError") {
      throw new Refusal("The service does not answer. It is asked again.", { againS: AGAIN_S });
    }
  }
  if (answer.ok && said) return { said, requestId: answer.headers.get("X-Request-Id") };
  throw refusal(answer, said);
}

function refusal({ status, headers }, said) {
  // 502 and 504 are a proxy's words for a service that is being replaced.
  if ([502, 503, 504].includes(status)) {
    const againS = Number(headers.get("Retry-After")) || AGAIN_S;
    return new Refusal("The service is busy. It is asked again in a moment.", { status, againS });
  }
  const message = said?.error?.message ?? `something between this page and the service answered ${status}.`;
  return new Refusal(message[0].toUpperCase() + message.slice(1), { status });
}
