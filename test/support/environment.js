/**
 * The node environment of Jest, which also fails a spec file that leaves something open behind it: a server, a socket, a
 * timer, a child process. One forgotten `close()` keeps a user's process alive just as it would keep Jest alive, and here
 * it is seen in the file that forgot it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TestEnvironment } from 'jest-environment-node';

/** What comes and goes by itself: the event loop's own requests and the terminal. */
const HARMLESS = /^(Immediate|TickObject|TTYWrap|CloseReq|FSReq|GetAddrInfoReqWrap|Zlib)/;

/** How long sockets that are closing already, and timers that are about to fire, may take (ms). */
const GRACE = 5_000;

function countOpen() {
  const counts = new Map();
  for (const name of process.getActiveResourcesInfo()) {
    if (!HARMLESS.test(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

export default class OpenHandlesEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    this.openBefore = countOpen();
  }

  /** What is open now and was not when the file began, as `name × count`. */
  leftOpen() {
    return [...countOpen()]
      .map(([name, count]) => [name, count - (this.openBefore.get(name) ?? 0)])
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name} × ${count}`);
  }

  async handleTestEvent(event, state) {
    if (event.name !== 'run_finish') return;
    const deadline = Date.now() + GRACE;
    let left = this.leftOpen();
    while (left.length > 0 && Date.now() < deadline) {
      // Unreferenced, so that this wait is not itself counted as an open timer.
      await sleep(25, undefined, { ref: false });
      left = this.leftOpen();
    }
    if (left.length > 0) {
      const error = new Error(
        `This file leaves open: ${left.join(', ')}. Close in afterEach or afterAll what a case opened.`,
      );
      error.stack = error.message;
      state.unhandledErrors.push(error);
    }
  }
}
