// Asks again and again about something that changes: one request under way at a time, and the newest state next.

const GAP_MS = 80; // between two questions: the bars move smoothly, and one page is no load

export class Asker {
  #ask;
  #answered;
  #refused;
  #round = new AbortController();
  #wanted = false;
  #asking = false;
  #running = false;

  /** `ask(signal)` gives a promise; what becomes of it goes to `answered(answer)` or `refused(error)`. */
  constructor(ask, answered, refused) {
    this.#ask = ask;
    this.#answered = answered;
    this.#refused = refused;
  }

  /** Whether the last answer is about the newest state. */
  get isDone() {
    return !this.#wanted && !this.#asking;
  }

  /** Ask: the state has changed. */
  wake() {
    this.#wanted = true;
    if (!this.#running) this.#run();
  }

  /** Ask no more, and hear no answer to what was asked. */
  forget() {
    this.#wanted = false;
    this.#round.abort();
    this.#round = new AbortController();
  }

  async #run() {
    this.#running = true;
    while (this.#wanted) {
      const waitMs = await this.#once(this.#round.signal);
      await new Promise((done) => setTimeout(done, waitMs));
    }
    this.#running = false;
  }

  /** Ask once. Gives the milliseconds to wait before the next question. */
  async #once(signal) {
    this.#wanted = false;
    this.#asking = true;
    const [answer, error] = await this.#ask(signal).then(
      (said) => [said],
      (thrown) => [null, thrown],
    );
    this.#asking = false;
    if (signal.aborted) return 0;
    if (answer) {
      this.#answered(answer);
      return GAP_MS;
    }
    this.#wanted ||= error.againS !== undefined;
    this.#refused(error);
    return error.againS ? error.againS * 1000 : GAP_MS;
  }
}
