/**
 * Every transport there is, best first. Whatever shows transports goes by this list, so another one is one row more, and a
 * name in board.module.ts.
 *
 * `legacy` ones are shown where the address asks for them; they want a larger client (client.js). One that is `missing`
 * something cannot be chosen, and says what it is.
 */
export const TRANSPORTS = [
  { name: 'websocket', label: 'WebSocket' },
  { name: 'eventsource', label: 'EventSource' },
  { name: 'multipart', label: 'Multipart' },
  { name: 'htmlfile', label: 'Forever iframe', legacy: true },
  { name: 'polling', label: 'Long polling' },
  { name: 'jsonp', label: 'JSONP', legacy: true },
  {
    name: 'flashsocket',
    label: 'Flash socket',
    legacy: true,
    missing: 'needs a Flash player; no browser has one any more: see docs/client.md',
  },
];

const PARAMETER = 'transports';
const LEGACY = 'legacy';

const parameters = new URLSearchParams(location.search);
const named = parameters.get(PARAMETER)?.split(/[ ,]/);

/** Whether legacy transports are shown: `?legacy=1` says so, and so does one of them in `?transports=`. */
export const isLegacy =
  parameters.get(LEGACY) === '1' || TRANSPORTS.some(({ name, legacy }) => legacy && named?.includes(name));

/** The transports that are shown. */
export const SHOWN = TRANSPORTS.filter(({ legacy }) => isLegacy || !legacy);

/** The names that can be allowed, with legacy ones or without. */
const choosable = (withLegacy) =>
  TRANSPORTS.filter(({ legacy, missing }) => !missing && (withLegacy || !legacy)).map(({ name }) => name);

const ALL = choosable(isLegacy);

export const labelOf = (name) => TRANSPORTS.find((transport) => transport.name === name)?.label ?? name;

/**
 * The transports that are allowed. The choice is kept in the address: so it survives a reload, belongs to one tab, and can
 * be sent to somebody. `?transports=eventsource+polling` allows these two.
 */
export function allowed() {
  const known = ALL.filter((name) => named?.includes(name));
  return known.length > 0 ? known : ALL;
}

export function keepAllowed(names) {
  history.replaceState(history.state, '', addressOf(names, isLegacy));
}

/**
 * Loads the page again, with legacy transports or without: its client is another file.
 *
 * @param names that are allowed now. All stay all; of others those go on that are still there.
 */
export function useLegacy(isWanted, names) {
  const there = choosable(isWanted);
  location.replace(
    addressOf(names.length === ALL.length ? there : there.filter((name) => names.includes(name)), isWanted),
  );
}

/** The page's address with these allowed. Neither all nor none have to be named. */
function addressOf(names, withLegacy) {
  const url = new URL(location.href);
  url.searchParams.delete(PARAMETER);
  url.searchParams.delete(LEGACY);
  if (names.length > 0 && names.length < choosable(withLegacy).length) url.searchParams.set(PARAMETER, names.join(' '));
  if (withLegacy) url.searchParams.set(LEGACY, '1');
  return url;
}
