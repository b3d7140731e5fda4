import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { CorsOptions, CorsOptionsDelegate } from 'cors';
import { guardCors } from '../../lib/engine/cors.js';

type Outcome = [error: string | undefined, answer: unknown];

/** What the guarded `origin` function answers, each time it does. */
async function answers(options: CorsOptions): Promise<Outcome[]> {
  const found: Outcome[] = [];
  const { origin } = guardCors(options) as { origin: (...args: unknown[]) => void };
  origin('https://a.example', (error: Error | null, answer: unknown) => found.push([error?.message, answer]));
  await new Promise(setImmediate);
  return found;
}

describe('guardCors', () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown) => void uncaught.push(error);
  beforeEach(() => void process.on('unhandledRejection', note));
  afterEach(() => {
    process.off('unhandledRejection', note);
    expect(uncaught.splice(0)).toEqual([]);
  });

  it('leaves options without functions as they are', () => {
    const options = { origin: 'https://a.example', credentials: true };
    expect(guardCors(options)).toBe(options);
  });

  it.each<[string, CorsOptions['origin'], Outcome]>([
    ['that answers', (_origin, done) => done(null, true), [undefined, true]],
    ['that answers with an error', (_origin, done) => done(new Error('no')), ['no', undefined]],
    ['that throws', () => { throw new Error('bad origin'); }, ['bad origin', undefined]], // prettier-ignore
    ['that throws no Error', () => { throw 'text'; }, ['text', undefined]], // prettier-ignore
    ['that rejects', (async () => { throw new Error('database down'); }) as never, ['database down', undefined]], // prettier-ignore
    ['that answers twice', (_origin, done) => { done(null, true); done(null, false); }, [undefined, true]], // prettier-ignore
    ['that answers and then throws', (_origin, done) => { done(null, true); throw new Error('late'); }, [undefined, true]], // prettier-ignore
  ])('lets a function %s answer once', async (_how, origin, outcome) => {
    expect(await answers({ origin })).toEqual([outcome]);
  });

  it('guards a function of the request, and the one that it returns', async () => {
    const ask = async (delegate: CorsOptionsDelegate): Promise<unknown[]> => {
      const found: unknown[] = [];
      (guardCors(delegate) as CorsOptionsDelegate)({ headers: {} }, (error, options) =>
        found.push(error?.message ?? options),
      );
      await new Promise(setImmediate);
      return found;
    };
    expect(await ask(() => { throw new Error('no tenant'); })).toEqual(['no tenant']); // prettier-ignore
    expect(await ask((async () => { throw new Error('no tenant'); }) as never)).toEqual(['no tenant']); // prettier-ignore
    expect(await ask((_request, done) => done(null, { origin: 'x' }))).toEqual([{ origin: 'x' }]);
    const [inner] = await ask((_request, done) => done(null, { origin: () => { throw new Error('bad'); } })); // prettier-ignore
    expect(await answers(inner as CorsOptions)).toEqual([['bad', undefined]]);
  });
});
