import { byId, remember } from './dom.js';
import { messageOf } from './session.js';

const BIRDS = ['Wren', 'Heron', 'Kestrel', 'Swift', 'Magpie', 'Plover', 'Lark', 'Dunnock', 'Avocet', 'Siskin'];
const MOODS = ['Curious', 'Calm', 'Quick', 'Sunny', 'Bold', 'Gentle', 'Wry', 'Merry', 'Keen', 'Dapper'];
const pick = (list) => list[Math.floor(Math.random() * list.length)];

/** The form by which one joins. The server decides whether one may; when it refuses, the form says why, and one tries again. */
export class SignIn {
  #session;
  #dialog = byId('join');
  #name = byId('name');
  #password = byId('password');
  #button = byId('join-button');
  #error = byId('join-error');

  constructor(session) {
    this.#session = session;
    this.#name.value = remember.get('board.name') ?? `${pick(MOODS)} ${pick(BIRDS)}`;
    byId('join-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#dialog.addEventListener('cancel', (event) => event.preventDefault());
    for (const event of ['welcome', 'back']) session.addEventListener(event, () => this.#letIn());
    session.addEventListener('refused', ({ detail }) => this.#refused(detail));
    session.addEventListener('state', ({ detail: { state } }) => {
      if (state === 'reconnecting' && this.#button.disabled) this.#say('No connection yet: still trying');
    });
  }

  /** After a reload one is still oneself; who is new is asked. */
  begin() {
    const before = sessionStorage.getItem('board.name');
    if (before === null) {
      this.#open();
      this.#name.select();
    } else {
      this.#name.value = before;
      this.#submit();
    }
  }

  #submit() {
    this.#button.disabled = true;
    this.#say('');
    const password = this.#password.value;
    this.#session.signIn({ name: this.#name.value, ...(password && { password }) });
  }

  #letIn() {
    const { name } = this.#session.me;
    sessionStorage.setItem('board.name', name);
    remember.set('board.name', name);
    this.#button.disabled = false;
    this.#say('');
    if (!this.#dialog.open) return;
    this.#dialog.close();
    byId('canvas').focus({ focusVisible: false });
  }

  #refused(refusal) {
    this.#button.disabled = false;
    this.#open();
    const { code } = refusal;
    const isPassword = code === 'PASSWORD_NEEDED' || code === 'PASSWORD_WRONG';
    if (isPassword) byId('password-field').hidden = false;
    // One that is free is a key away, and another one is typed over it.
    if (code === 'NAME_TAKEN') this.#name.value = refusal.free;
    this.#say(messageOf(refusal) + (code === 'NAME_TAKEN' ? `. “${refusal.free}” is free.` : ''), code);
    const field = isPassword ? this.#password : this.#name;
    field.setAttribute('aria-invalid', 'true');
    field.select();
  }

  #open() {
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  /** @param code what the server calls it */
  #say(text, code = '') {
    this.#error.textContent = text;
    this.#error.dataset.code = code;
    for (const field of [this.#name, this.#password]) field.removeAttribute('aria-invalid');
  }
}
