import { element, icon } from './dom.js';
import { labelOf } from './transports.js';

const CAUSES = { opened: 'Page opened', chosen: 'Chosen here', lost: 'Connection lost' };
const STATES = {
  trying: { icon: 'i-dots', words: 'being tried' },
  open: { icon: 'i-check', words: 'opened' },
  failed: { icon: 'i-close', words: 'failed' },
  dropped: { icon: 'i-dash', words: 'not needed' },
};

const clock = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });

function row({ transport, role, state, reason, milliseconds }) {
  return element(
    'li',
    { class: 'attempt', 'data-state': state, 'data-transport': transport },
    icon(STATES[state].icon),
    element('p', {}, element('b', {}, labelOf(transport)), ` ${role} · ${STATES[state].words}`),
    // Some were dropped before they began.
    element('span', { class: 'ms' }, !milliseconds ? '' : `${milliseconds} ms`),
    ...(reason === undefined ? [] : [element('p', { class: 'reason' }, reason)]),
  );
}

function connection({ at, cause, attempts, times }) {
  const head = times > 1 ? `${CAUSES[cause]} ×${times}` : CAUSES[cause];
  return element(
    'li',
    {},
    element('p', { class: 'cause' }, head, element('time', { datetime: at.toISOString() }, clock.format(at))),
    element('ol', {}, ...attempts.map(row)),
  );
}

/** Shows connections and what was tried for each, newest first. */
export const showAttempts = (list, connections) => list.replaceChildren(...connections.map(connection));
