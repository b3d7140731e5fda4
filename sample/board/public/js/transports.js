/**
 * The transports one can choose from, best first: those that the server has been told to have (board.module.ts).
 * Whatever shows transports goes by this list, so another one is one row more.
 */
export const TRANSPORTS = [
  { name: 'websocket', label: 'WebSocket' },
  { name: 'eventsource', label: 'EventSource' },
  { name: 'multipart', label: 'Multipart' },
  { name: 'polling', label: 'Long polling' },
];

const ALL = TRANSPORTS.map(({ name }) => name);
const PARAMETER = 'transports';

export const labelOf = (name) => TRANSPORTS.find((transport) => transport.name === name)?.label ?? name;

/**
 * The transports that are allowed. The choice is kept in the address: so it survives a reload, belongs to one tab, and can
 * be sent to somebody. `?transports=eventsource+polling` allows these two.
 */
export function allowed() {
  const named = new URLSearchParams(location.search).get(PARAMETER)?.split(/[ ,]/) ?? ALL;
  const known = ALL.filter((name) => named.includes(name));
  return known.length > 0 ? known : ALL;
}

export function keepAllowed(names) {
  const url = new URL(location.href);
  if (names.length === ALL.length) url.searchParams.delete(PARAMETER);
  else url.searchParams.set(PARAMETER, names.join(' '));
  history.replaceState(history.state, '', url);
}
