import { describe, expect, it } from '@jest/globals';
import { FlashPipe, type Player } from '../../../lib/client/flash/pipe.js';

/** A pipe whose timers are run by hand, over a movie that gives what it is told to. */
function setUp() {
  const due: (() => void)[] = [];
  const heard: string[] = [];
  const calls: string[] = [];
  const gives: (string | Error)[] = [];
  let onBytes = (_text: string): void => {};
  const player: Player = {
    nestwireSend: (base64) => calls.push(`send ${atob(base64).length}`) > 0,
    nestwireTake: () => {
      const next = gives.shift() ?? '1';
      if (next instanceof Error) throw next;
      return next;
    },
    nestwireClose: () => void calls.push('close'),
    remove: () => void calls.push('remove'),
  };
  const owner = {
    setTimeoutFn: ((callback: () => void) => due.push(callback)) as never,
    clearTimeoutFn: (() => due.splice(0)) as never,
  };
  const sink = {
    opened: () => void heard.push('opened'),
    bytes: (chunk: Uint8Array) => {
      heard.push(`bytes ${Buffer.from(chunk).toString()}`);
      onBytes(Buffer.from(chunk).toString());
    },
    sent: () => void heard.push('sent'),
    ended: (problem: string | undefined) => void heard.push(`ended ${problem}`),
  };
  const pipe = new FlashPipe({ host: 'app.example', port: 80 }, sink, owner);
  pipe.open(() => player);
  const tick = (): void => due.shift()!();
  const run = (): void => {
    player.nestwireConnect = (host, port) => void calls.push(`connect ${host}:${port}`);
  };
  return { pipe, due, heard, calls, gives, tick, run, listen: (to: typeof onBytes) => (onBytes = to) };
}

const given = (state: number, text = ''): string => state + btoa(text);

describe('FlashPipe', () => {
  it('connects when the movie runs, and hands on what comes, after it has returned', () => {
    const { heard, calls, gives, tick, run } = setUp();
    tick();
    expect(calls).toEqual([]);
    run();
    tick();
    gives.push(given(0), given(1), given(1, 'a'), given(1, 'b'), given(1));
    tick();
    expect(heard).toEqual([]);
    tick();
    expect(heard).toEqual(['opened']);
    tick();
    expect(heard).toEqual(['opened', 'bytes a', 'bytes b']);
    expect(calls).toEqual(['connect app.example:80']);
  });

  it('gives the movie slices, tells when it has taken all, and closes after that', () => {
    const { pipe, heard, calls, tick, run } = setUp();
    run();
    tick();
    pipe.send(new Uint8Array(30_000));
    tick();
    while (!heard.includes('sent')) tick();
    expect(calls.slice(1)).toEqual(['send 12288', 'send 12288', 'send 5424']);
    pipe.send(new Uint8Array(3));
    pipe.close();
    expect(calls).not.toContain('close');
    tick();
    expect(calls.slice(-3)).toEqual(['send 3', 'close', 'remove']);
    expect(heard).toEqual(['opened', 'sent']);
  });

  it('sends what is left at once when the page goes', () => {
    const { pipe, calls, due, tick, run } = setUp();
    run();
    tick();
    tick();
    pipe.send(new Uint8Array(30_000));
    pipe.closeNow();
    expect(calls.slice(1)).toEqual(['send 12288', 'send 12288', 'send 5424', 'close', 'remove']);
    expect(due).toEqual([]);
  });

  it('goes on when a listener throws, which sees its error', () => {
    const { heard, gives, tick, run, listen } = setUp();
    run();
    tick();
    listen((text) => {
      if (text === 'a') throw new Error('of the application');
    });
    gives.push(given(1, 'a'), given(1, 'b'));
    expect(tick).toThrow('of the application');
    tick();
    expect(heard).toEqual(['opened', 'bytes a', 'bytes b']);
  });

  it('hands on nothing once a listener has closed it', () => {
    const { pipe, heard, gives, due, tick, run, listen } = setUp();
    run();
    tick();
    listen(() => pipe.cut());
    gives.push(given(1, 'a'), given(1, 'b'));
    tick();
    expect(heard).toEqual(['opened', 'bytes a']);
    expect(due).toEqual([]);
  });

  it.each([
    ['2', 'ended undefined'],
    ['3Error #2048', 'ended Error #2048'],
    ['3', 'ended the connection failed'],
    [new Error('removed'), 'ended Error: removed'],
  ])('ends when the movie says %s', (state, told) => {
    const { heard, calls, gives, due, tick, run } = setUp();
    run();
    tick();
    gives.push(given(1, 'last'), state);
    tick();
    expect(heard).toEqual(['opened', 'bytes last', told]);
    expect(calls.slice(-2)).toEqual(['close', 'remove']);
    expect(due).toEqual([]);
  });
});
