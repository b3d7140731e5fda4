import { Chat } from './chat.js';
import { ConnectionPanel } from './connection-panel.js';
import { sheet, themeButton, toolbar } from './controls.js';
import { byId } from './dom.js';
import { Outbox } from './outbox.js';
import { Pen } from './pen.js';
import { People } from './people.js';
import { Reactions } from './reactions.js';
import { Session } from './session.js';
import { SignIn } from './sign-in.js';
import { Surface } from './surface.js';
import { Toasts } from './toasts.js';

const canvas = byId('canvas');
const toasts = new Toasts(byId('toasts'));
const surface = new Surface(canvas);
export const session = new Session();
const people = new People({ list: byId('people'), layer: byId('cursors'), surface });
const problem = (text) => toasts.show(text, 'problem');

// ---- drawing

/** Asks the server; what it answers with an error is shown. @returns the answer, or undefined */
async function ask(event, data) {
  try {
    return await session.request(event, data);
  } catch (error) {
    problem(error.message);
    return undefined;
  }
}

async function undo() {
  const answer = await ask('undo');
  if (answer?.removed === 0) toasts.show('There is nothing of yours to undo');
}

function clear() {
  const dialog = byId('confirm-clear');
  dialog.returnValue = 'keep';
  dialog.showModal();
}
byId('confirm-clear').addEventListener('close', ({ target }) => target.returnValue === 'clear' && void ask('clear'));

const settings = toolbar({
  canvas,
  undo,
  clear,
  zoom: (factor) => surface.zoomBy(factor),
  fit: () => surface.fit(),
});
const outbox = new Outbox({ session, surface, onproblem: problem });
const pen = new Pen({ session, surface, outbox, canvas, crosshair: byId('crosshair'), settings });

themeButton(() => surface.useColours());
surface.onview = () => {
  people.replace();
  byId('zoom-level').textContent = `${Math.round(surface.view.zoom * 100)}%`;
};
new ResizeObserver(() => {
  const stage = byId('stage').getBoundingClientRect();
  const above = stage.bottom - byId('toolbar').getBoundingClientRect().top;
  document.documentElement.style.setProperty('--above-toolbar', `${above}px`);
  surface.inset(60, above + 8);
}).observe(byId('toolbar'));

const showHint = () => byId('hint').classList.toggle('gone', !surface.isEmpty || !session.joined);
canvas.addEventListener('pointerdown', () => byId('hint').classList.add('gone'));

session.addEventListener('strokes', ({ detail: news }) => {
  for (const { from, points, done, ...stroke } of news) {
    const known = surface.get(stroke.key);
    if (known) surface.extend(known, from, points, done);
    else if (from === 0) surface.add({ ...stroke, points, done });
  }
  showHint();
});
session.addEventListener('removed', ({ detail: { keys } }) => {
  pen.forget(keys);
  surface.remove(keys);
  showHint();
});
session.addEventListener('cleared', ({ detail: { id, name } }) => {
  pen.forget();
  surface.reset([]);
  showHint();
  if (id !== session.me.id) toasts.show(`${name} cleared the board`);
});
session.addEventListener('cursors', ({ detail }) => detail.forEach((cursor) => people.point(cursor)));

// ---- talk

let unread = 0;
const isChatShown = sheet({ chatShown: () => countUnread(0) });
function countUnread(count) {
  unread = count;
  byId('unread').hidden = count === 0;
  byId('unread').textContent = count > 99 ? '99+' : String(count);
}

const chat = new Chat({
  log: byId('log'),
  form: byId('say'),
  input: byId('text'),
  left: byId('left'),
  say: (text) => ask('chat', { text }),
  limit: () => session.limits?.text ?? Infinity,
});
session.addEventListener('chat', ({ detail: line }) => {
  chat.add(line);
  if (line.kind === 'announcement') toasts.show(line.text, 'announcement');
  if (!isChatShown()) countUnread(unread + 1);
});

const reactions = new Reactions({
  bar: byId('reactions'),
  status: byId('reactions-status'),
  react: (reaction) => void ask('react', { reaction }),
});
session.addEventListener('tally', ({ detail: tally }) => reactions.update(tally));

// ---- people

function countPeople() {
  for (const id of ['people-count', 'people-count-small']) byId(id).textContent = String(people.size);
  document.title = people.size > 1 ? `Nestwire board (${people.size})` : 'Nestwire board';
}
session.addEventListener('presence', ({ detail }) => {
  people.update(detail);
  countPeople();
});

// ---- connection

let bannerTimer = 0;
function banner(text, kind, hideAfter) {
  clearTimeout(bannerTimer);
  byId('banner').hidden = text === '';
  byId('banner').dataset.kind = kind;
  byId('banner-text').textContent = text;
  if (hideAfter) bannerTimer = setTimeout(() => banner('', 'good'), hideAfter);
}

let wasLost = false;
session.addEventListener('state', ({ detail: { state, attempt } }) => {
  document.documentElement.dataset.state = state;
  if (state === 'joined') {
    banner(wasLost ? 'Connected again' : '', 'good', wasLost ? 2_500 : 0);
    wasLost = false;
  } else if (state === 'connected') {
    banner('', 'good');
  } else {
    wasLost ||= state === 'reconnecting';
    const how = navigator.onLine ? (attempt ? `, attempt ${attempt}` : '') : ', this device is offline';
    banner(
      state === 'connecting' ? 'Connecting…' : `Connection lost: reconnecting${how}. You can go on drawing.`,
      'slow',
    );
  }
  showHint();
});
session.addEventListener('welcome', ({ detail }) => {
  surface.reset(detail.strokes);
  people.reset(detail.members, detail.you.id);
  chat.reset(detail.chat, detail.limits.chatLines);
  reactions.reset(detail.tally);
  countPeople();
  outbox.resend();
});
session.addEventListener('back', () => outbox.resend());
session.addEventListener('problem', ({ detail }) => problem(detail));

const connection = new ConnectionPanel(session);
const signIn = new SignIn(session);
connection.open();
signIn.begin();
