import { element, icon } from './dom.js';

const SHOWN_FOR = { problem: 7_000, announcement: 9_000, note: 4_000 };
const MOST = 4;

/** Short notices at the bottom. The same notice again counts up instead of piling up. */
export class Toasts {
  #box;
  #shown = new Map();

  constructor(box) {
    this.#box = box;
  }

  /** @param {'problem' | 'announcement' | 'note'} kind */
  show(text, kind = 'note') {
    const id = `${kind}:${text}`;
    let toast = this.#shown.get(id);
    if (toast) {
      toast.times += 1;
      toast.words.textContent = `${text} (×${toast.times})`;
    } else {
      const words = element('p', {}, text);
      const close = element('button', { type: 'button', 'aria-label': 'Dismiss' }, icon('i-close'));
      const node = element('div', { class: `toast ${kind}`, role: kind === 'note' ? 'status' : 'alert' }, words, close);
      toast = { node, words, times: 1, timer: 0 };
      close.addEventListener('click', () => this.#hide(id));
      node.addEventListener('pointerenter', () => clearTimeout(toast.timer));
      node.addEventListener('pointerleave', () => this.#hideLater(id, kind));
      this.#shown.set(id, toast);
      this.#box.append(node);
      if (this.#shown.size > MOST) this.#hide(this.#shown.keys().next().value);
    }
    this.#hideLater(id, kind);
  }

  #hideLater(id, kind) {
    const toast = this.#shown.get(id);
    if (!toast) return;
    clearTimeout(toast.timer);
    toast.timer = setTimeout(() => this.#hide(id), SHOWN_FOR[kind]);
  }

  #hide(id) {
    const toast = this.#shown.get(id);
    clearTimeout(toast?.timer);
    toast?.node.remove();
    this.#shown.delete(id);
  }
}
