/** All scenarios, in the order in which they run. */
import { binary64k } from './binary.js';
import { blocked } from './blocked.js';
import { broadcast200, broadcast2000, broadcastStorm } from './broadcast.js';
import { churn } from './churn.js';
import { connect } from './connect.js';
import { echo1, echo10 } from './echo.js';
import { growth } from './growth.js';
import { heap1, heap20 } from './idle.js';
import { push } from './push.js';
import { SCALE_OUT } from './scale-out.js';
import { slowReaders } from './slow-readers.js';
import { startUp } from './start-up.js';
import { stream1, stream10 } from './stream.js';
import { transports } from './transports.js';
import { upstream } from './upstream.js';
import { validated10 } from './validated.js';

/**
 * A scenario: `name`; `title`, one line; `settings`, and `quick` that takes the place of some of them; `figures` of its table;
 * `rows`, see `stands.js`; `ratioOf`, keys of the figures that are compared (`cpu` unless it says otherwise), between `pairs` of
 * rows, or each of ours and each of the others; `isOptional`, it runs when it is named; `run(context, settings, rows)`, which
 * answers with `rows` that have `samples`, one for each round. Those of scale-out print tables of their own instead.
 */
export const SCENARIOS = [
  echo10,
  echo1,
  validated10,
  stream10,
  stream1,
  broadcast200,
  broadcast2000,
  broadcastStorm,
  push,
  upstream,
  transports,
  connect,
  blocked,
  heap1,
  heap20,
  growth,
  binary64k,
  slowReaders,
  startUp,
  churn,
  ...SCALE_OUT,
];

/** Those of a name, or all whose names begin so: `nodes` is `nodes-websocket`, `nodes-polling`, … */
export function scenariosNamed(names) {
  if (names.length === 0) return SCENARIOS.filter(({ isOptional }) => !isOptional);
  return [...new Set(names.flatMap(named))];
}

function named(given) {
  const exact = SCENARIOS.filter(({ name }) => name === given);
  const found = exact.length > 0 ? exact : SCENARIOS.filter(({ name }) => name.startsWith(`${given}-`));
  if (found.length === 0) throw new Error(`no such scenario: ${given}; there are ${SCENARIOS.map(({ name }) => name)}`);
  return found;
}
