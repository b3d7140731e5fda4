import { byId, element } from './dom.js';
import { allowed, isLegacy, keepAllowed, SHOWN, useLegacy } from './transports.js';

const LAST_ONE = 'One transport has to stay allowed';

/** One row a transport: whether it may be used, and what became of it. */
export class TransportChoice {
  /** Of those that can be chosen. */
  #rows = new Map();
  #note = byId('choice-note');

  /** @param changed called with the names that are allowed */
  constructor(changed) {
    const names = allowed();
    for (const { name, label, missing } of SHOWN) {
      const input = element('input', { type: 'checkbox', id: `allow-${name}`, 'aria-describedby': `why-${name}` });
      input.checked = names.includes(name);
      const why = element('span', { class: 'why', id: `why-${name}` });
      const row = element('li', { 'data-transport': name }, input, element('label', { for: input.id }, label), why);
      byId('transports').append(row);
      if (missing) {
        input.disabled = true;
        row.dataset.state = 'missing';
        why.textContent = missing;
        continue;
      }
      this.#rows.set(name, { row, input, why });
      input.addEventListener('click', (event) => {
        const isLast = this.names.length === 0; // the box has changed already; what is prevented changes back
        this.#note.textContent = isLast ? LAST_ONE : '';
        if (isLast) event.preventDefault();
      });
      input.addEventListener('change', () => {
        this.#lockLast();
        keepAllowed(this.names);
        changed(this.names);
      });
    }
    this.#lockLast();
    const legacy = byId('legacy');
    legacy.checked = isLegacy;
    legacy.addEventListener('change', () => useLegacy(legacy.checked, this.names));
  }

  get names() {
    return [...this.#rows].filter(([, { input }]) => input.checked).map(([name]) => name);
  }

  /** @param verdict gives `{ state, why }` for a name and whether it is allowed */
  show(verdict) {
    for (const [name, { row, input, why }] of this.#rows) {
      const { state, why: words } = verdict(name, input.checked);
      row.dataset.state = state;
      why.textContent = words;
    }
  }

  /** Not `disabled`: it can still be reached, and says why it does not move. */
  #lockLast() {
    const { names } = this;
    for (const [name, { input }] of this.#rows) {
      input.setAttribute('aria-disabled', String(names.length === 1 && names[0] === name));
    }
  }
}
