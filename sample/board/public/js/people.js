import { drawing, element, icon } from './dom.js';
import { labelOf } from './transports.js';

const SAMPLES = 30;
const IDLE_AFTER = 4_000;

/** "7.3" or "182": as many digits as one can care about. */
export const milliseconds = (rtt) => (rtt < 10 ? rtt.toFixed(1) : String(Math.round(rtt)));

/** The points of a line chart of `values`, newest at the right, in a box of width × height. */
function chart(values, width, height) {
  const top = Math.max(10, ...values) * 1.15;
  return values.map((value, i) => {
    const x = width - ((values.length - 1 - i) * width) / (SAMPLES - 1);
    return [Math.round(x * 10) / 10, Math.round((height - (value / top) * height) * 10) / 10];
  });
}

/** Who is here: the list at the side, and everybody's cursor on the board. */
export class People {
  #members = new Map();
  #list;
  #layer;
  #surface;
  #me = '';

  constructor({ list, layer, surface }) {
    this.#list = list;
    this.#layer = layer;
    this.#surface = surface;
  }

  get size() {
    return this.#members.size;
  }

  get(id) {
    return this.#members.get(id);
  }

  reset(members, me) {
    for (const id of this.#members.keys()) this.#remove(id);
    this.#me = me;
    this.update({ changed: members, gone: [] });
  }

  update({ changed, gone }) {
    for (const id of gone) this.#remove(id);
    for (const member of changed) this.#set(member);
  }

  #set(member) {
    let known = this.#members.get(member.id);
    if (!known) {
      known = { samples: [], row: this.#row(member) };
      this.#members.set(member.id, known);
    }
    if (member.rtt !== null && (member.rtt !== known.rtt || member.transport === known.transport)) {
      known.samples.push(member.rtt);
      if (known.samples.length > SAMPLES) known.samples.shift();
    }
    Object.assign(known, member);
    const { row } = known;
    row.dataset.transport = member.transport;
    row
      .querySelector('.via')
      .replaceChildren(labelOf(member.transport), ...(member.id === this.#me ? [element('small', {}, ' · you')] : []));
    row
      .querySelector('.rtt')
      .replaceChildren(...(member.rtt === null ? ['…'] : [milliseconds(member.rtt), element('small', {}, ' ms')]));
    row.querySelector('polyline').setAttribute('points', chart(known.samples, 48, 22).join(' '));
  }

  #row({ id, name, colour }) {
    const mine = id === this.#me;
    const spark = icon(null, 'spark', '0 0 48 22');
    spark.append(drawing('polyline'));
    const row = element(
      'li',
      { class: 'person', 'data-id': id },
      element('span', { class: 'face', 'aria-hidden': 'true' }, [...name][0].toUpperCase()),
      element('span', { class: 'name' }, name),
      element('span', { class: 'via' }),
      spark,
      element('span', { class: 'rtt' }),
    );
    row.style.setProperty('--who', `var(--person-${colour})`);
    if (mine) this.#list.prepend(row);
    else this.#list.append(row);
    return row;
  }

  #remove(id) {
    const member = this.#members.get(id);
    member?.row.remove();
    member?.cursor?.remove();
    clearTimeout(member?.idleTimer);
    this.#members.delete(id);
  }

  // ---- cursors

  point({ id, x, y }) {
    const member = this.#members.get(id);
    if (!member || id === this.#me) return;
    if (!member.cursor) {
      member.cursor = element('div', { class: 'cursor' }, icon('i-cursor'), element('span', {}, member.name));
      member.cursor.style.setProperty('--this', `var(--person-${member.colour})`);
      this.#layer.append(member.cursor);
    }
    member.at = { x, y };
    this.#put(member);
    member.cursor.classList.remove('idle');
    clearTimeout(member.idleTimer);
    member.idleTimer = setTimeout(() => member.cursor.classList.add('idle'), IDLE_AFTER);
  }

  /** The view has moved. */
  replace() {
    for (const member of this.#members.values()) if (member.cursor) this.#put(member);
  }

  #put({ cursor, at }) {
    const { x, y } = this.#surface.toScreen(at.x, at.y);
    cursor.style.transform = `translate(${x - 3}px, ${y - 2}px)`;
  }
}
