/**
 * Tells `run.js`, over the IPC channel it opened, what each spec file counted. Jest's own summary is for people; this is
 * what survives when Jest dies half-way: the counts up to there, and the lack of a last message.
 */
export default class Reporter {
  constructor() {
    // Without the runner nobody reads the result, and nobody would stop this run.
    process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
    // Listening for it must not keep Jest alive: it has to end by itself.
    process.channel?.unref();
  }

  onTestResult(test, result) {
    // A file that throws while loading, or fails outside of its cases, has no failed case: it still counts as one.
    const brokeOutside = result.numFailingTests === 0 && Boolean(result.testExecError ?? result.failureMessage);
    process.send?.({
      file: test.path,
      passed: result.numPassingTests,
      failed: result.numFailingTests + (brokeOutside ? 1 : 0),
      skipped: result.numPendingTests + result.numTodoTests,
    });
  }

  onRunComplete() {
    process.send?.({ done: true });
  }
}
