import type { CorsOptions, CorsOptionsDelegate } from 'cors';

/** How the functions of the `cors` package answer. */
type Answer<T> = (error: Error | null, answer?: T) => void;

/** A function of the application that is asked by callback. */
type Decide<Subject, T> = (subject: Subject, answer: Answer<T>) => unknown;

/**
 * The `cors` option, with functions of the application that cannot end the process. The package calls them bare, so one
 * that throws for what a client sent (`new URL(origin)` where there is no Origin), or an async one that rejects, would be an
 * uncaught error. Here that is an answer like any other: an error.
 */
export function guardCors(options: CorsOptions | CorsOptionsDelegate): CorsOptions | CorsOptionsDelegate {
  if (typeof options !== 'function') return guardOrigin(options);
  const decide = guard(options);
  return (request, answer) => decide(request, (error, found) => answer(error, found && guardOrigin(found)));
}

function guardOrigin(options: CorsOptions): CorsOptions {
  const { origin } = options;
  return typeof origin === 'function' ? { ...options, origin: guard(origin) } : options;
}

/** Answers once, whatever the function does. */
function guard<Subject, T>(decide: Decide<Subject, T>): (subject: Subject, answer: Answer<T>) => void {
  return (subject, answer) => {
    let isAnswered = false;
    const once: Answer<T> = (error, found) => {
      if (isAnswered) return;
      isAnswered = true;
      answer(error, found);
    };
    const fail = (error: unknown): void => once(error instanceof Error ? error : new Error(String(error)));
    try {
      Promise.resolve(decide(subject, once)).catch(fail);
    } catch (error) {
      fail(error);
    }
  };
}
