import { element, icon } from './dom.js';

/** A run of lines by one person within this time has one heading. */
const SAME_RUN = 120_000;

const clock = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' });

/** The chat log and its input. */
export class Chat {
  #log;
  #input;
  #left;
  #last = null;
  /** Of the last line that is the board's own; what another process says has none. */
  #lastId = 0;
  #kept = 0;
  #isAtEnd = true;

  /** @param say sends a text; may reject, then the text stays in the input */
  constructor({ log, form, input, left, say, limit }) {
    this.#log = log;
    this.#input = input;
    this.#left = left;
    log.addEventListener('scroll', () => {
      this.#isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    });
    // The panels above leave it more room or less.
    new ResizeObserver(() => this.#isAtEnd && this.#toEnd()).observe(log);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (text === '') return;
      if (await say(text)) {
        if (input.value.trim() === text) input.value = '';
        this.#count(limit());
      }
    });
    input.addEventListener('input', () => this.#count(limit()));
  }

  reset(lines, keep) {
    this.#log.replaceChildren();
    this.#last = null;
    this.#lastId = 0;
    this.#kept = keep;
    for (const line of lines) this.add(line);
    this.#toEnd();
  }

  add(line) {
    if (line.id <= this.#lastId) return;
    this.#lastId = line.id ?? this.#lastId;
    const wasAtEnd = this.#isAtEnd;
    this.#log.append(line.kind === 'announcement' ? this.#announcement(line) : this.#line(line));
    while (this.#log.childElementCount > this.#kept) this.#log.firstElementChild.remove();
    if (wasAtEnd) this.#toEnd();
    this.#last = line;
  }

  #toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  focus() {
    this.#input.focus();
  }

  #announcement({ text }) {
    return element('li', { class: 'line announcement' }, icon('i-megaphone'), element('p', {}, text));
  }

  #line({ kind, name, colour, text, at }) {
    const last = this.#last;
    const same = last?.kind === kind && last.name === name && last.colour === colour && at - last.at < SAME_RUN;
    const row = element('li', { class: same ? 'line same' : 'line' });
    if (!same) {
      const time = element('time', { datetime: new Date(at).toISOString() }, clock.format(at));
      row.append(element('header', {}, name, time));
      row.style.setProperty('--who', `var(--person-${colour})`);
    }
    row.append(element('p', {}, text));
    return row;
  }

  /** Nothing stops one from typing on; the server has the last word, and what it says is shown. */
  #count(limit) {
    const left = limit - this.#input.value.trim().length;
    this.#left.hidden = left > limit * 0.2;
    this.#left.textContent = String(left);
    this.#left.classList.toggle('over', left < 0);
  }
}
