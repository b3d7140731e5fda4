/** The tables of the README, from a report. */
import { median } from '../stats.js';
import { markdownTable } from './table.js';
import { rangeText } from './text.js';

/** Which ratios a user wants to see, and what they are called. Those that were not measured are left out. */
const SHOWN = [
  ['echo10', 'cpu', 'nestwire', ['platform-socket.io', 'platform-ws', 'ws'], 'echo through a guard, 10 in flight'],
  ['echo1', 'cpu', 'nestwire', ['platform-socket.io', 'platform-ws', 'ws'], 'echo through a guard, 1 in flight'],
  ['validated10', 'cpu', 'nestwire', ['platform-socket.io', 'platform-ws'], 'echo with a class-validator pipe'],
  ['broadcast-200', 'cpu', 'nestwire', ['platform-socket.io', 'platform-ws', 'ws'], 'broadcast to 200 clients'],
  ['broadcast-2000', 'cpu', 'nestwire', ['platform-socket.io', 'platform-ws', 'ws'], 'broadcast to 2,000 clients'],
  ['connect', 'cpu', 'nestwire', ['platform-socket.io', 'platform-ws', 'ws'], 'a client that connects'],
  [
    'heap20',
    'heap',
    'nestwire',
    ['platform-socket.io', 'platform-ws', 'ws'],
    'heap of an idle connection, 20 handlers',
  ],
  ['binary64k', 'cpu', 'nestwire', ['platform-socket.io', 'ws'], 'echo of 64 KB of binary data'],
  ['start-up', 'ms', 'nestwire', ['platform-socket.io', 'platform-ws'], 'start of the application, time'],
];
const COLUMNS = ['platform-socket.io', 'platform-ws', 'ws'];

/** Without WebSocket: rows of ours, beside polling of Socket.IO and SockJS. */
const FALLBACK_COLUMNS = ['platform-socket.io/polling', 'sockjs/xhr-streaming'];

/** What the tables stand between in a page. */
const BEGIN = '<!-- npm run bench -- --markdown -->';
const END = '<!-- /bench -->';

const MISSING = '–';

/** All tables, with date, versions and machine. */
export function markdownOf(report) {
  const parts = [
    aboutLine(report),
    peersTable(report),
    pushTable(report),
    transportsTable(report),
    budgetsTable(report),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

/**
 * A page with these tables in place of what is between its marks.
 *
 * @throws Error when it has none.
 */
export function insertMarkdown(page, markdown) {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END, begin);
  if (begin === -1 || end === -1) throw new Error(`the page has no ${BEGIN} … ${END}`);
  return `${page.slice(0, begin)}${BEGIN}\n\n${markdown}\n\n${page.slice(end)}`;
}

/** When, with what, and where. */
export function aboutLine({ date, isQuick, versions, machine }) {
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const size = `${machine.cores} cores (${machine.cpu}), ${machine.memoryGb} GB, ${machine.system}`;
  const kind = isQuick ? 'A quick run, so figures are rough. ' : '';
  return `${kind}Measured on ${date.slice(0, 10)} with ${names.join(', ')}; ${size}.`;
}

function find(report, scenario, figure, of, to) {
  return report.ratios.find((r) => r.scenario === scenario && r.figure === figure && r.of === of && r.to === to);
}

const cell = (ratio) => (ratio === undefined ? MISSING : rangeText(ratio));

function peersTable(report) {
  const rows = SHOWN.flatMap(([scenario, figure, of, peers, title]) => {
    const cells = COLUMNS.map((to) => (peers.includes(to) ? cell(find(report, scenario, figure, of, to)) : MISSING));
    return cells.every((text) => text === MISSING) ? [] : [[title, ...cells]];
  });
  if (rows.length === 0) return '';
  return markdownTable(['Nestwire’s CPU as a ratio to that of', ...COLUMNS], rows);
}

function pushTable(report) {
  const push = report.scenarios.find(({ name }) => name === 'push');
  if (push === undefined) return '';
  const rows = push.rows
    .filter(({ isOurs }) => isOurs)
    .flatMap(({ id }) =>
      ['cpu', 'p99'].map((figure) => [
        `${id.replace('nestwire/', '')}, ${figure === 'cpu' ? 'CPU' : '99 % latency'}`,
        ...FALLBACK_COLUMNS.map((to) => cell(find(report, 'push', figure, id, to))),
      ]),
    );
  return markdownTable(['pushed without WebSocket, as a ratio to', 'Socket.IO polling', 'SockJS xhr-streaming'], rows);
}

function transportsTable(report) {
  const scenario = report.scenarios.find(({ name }) => name === 'transports');
  if (scenario === undefined) return '';
  const rows = scenario.rows.map(({ id, samples }) => [
    `\`${id === 'nestwire' ? 'websocket' : id.replace('nestwire/', '')}\``,
    `${median(samples.push).toFixed(0)} µs`,
    `${median(samples.echo).toFixed(0)} µs`,
  ]);
  return markdownTable(['server CPU for a message over', 'pushed', 'echoed'], rows);
}

function budgetsTable({ budgets }) {
  if (budgets.length === 0) return '';
  const rows = budgets.map((budget) => [
    budget.name,
    budget.state === 'missing' ? MISSING : rangeText(budget),
    String(budget.atMost),
    budget.state,
  ]);
  return markdownTable(['budget', 'measured', 'at most', 'state'], rows);
}
