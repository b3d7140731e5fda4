import { expect } from '@jest/globals';
import type { Socket as ServerSocket } from 'socket.io';
import type { Page } from 'puppeteer-core';

/** What is given to `evaluate` runs in the page. */
// oxlint-disable-next-line no-shadow-restricted-names
declare const globalThis: any;

/** Has the page's socket send a text and all bytes there are, which the server has to echo as they are. */
export async function expectEchoes(page: Page, nasty: string): Promise<void> {
  const text = await page.evaluate((text: string) => globalThis.socket.emitWithAck('echo', text), nasty);
  expect(text).toBe(nasty);
  const bytes = await page.evaluate(async () => {
    const sent = Uint8Array.from({ length: 256 }, (_, n) => n);
    return [...new Uint8Array(await globalThis.socket.emitWithAck('echo', sent))];
  });
  expect(bytes).toEqual(Array.from({ length: 256 }, (_, n) => n));
}

/** Has the page send numbers, each of which the server sends back: all arrive on both sides, in order. */
export async function expectOrder(page: Page, server: ServerSocket, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, n) => n);
  const up: number[] = [];
  server.on('count', (n: number) => up.push(n));
  const down = await page.evaluate(
    (count: number) =>
      new Promise((resolve) => {
        const got: number[] = [];
        globalThis.socket.on('count', (n: number) => {
          if (got.push(n) === count) resolve(got);
        });
        for (let n = 0; n < count; n++) globalThis.socket.emit('count', n);
      }),
    count,
  );
  expect(down).toEqual(numbers);
  expect(up).toEqual(numbers);
}
