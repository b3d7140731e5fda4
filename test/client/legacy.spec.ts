import { afterEach, describe, expect, it } from '@jest/globals';
import { transports as stock } from 'engine.io-client';
import { HtmlFileTransport, JsonpTransport, transports, type ClientTransport } from 'nestwire/client';
import { LEGACY } from '../../lib/client/legacy.js';

const globals = globalThis as unknown as { document?: object; ___eio?: unknown[]; addEventListener?: unknown };

afterEach(() => {
  delete globals.document;
  delete globals.___eio;
  delete globals.addEventListener;
});

const namesOf = (...given: ClientTransport[]): string[] =>
  transports({ transports: given, url: 'http://localhost' }).map((one) => one.prototype.name as string);

describe('legacy transports', () => {
  it('are classes with names, as engine.io-client wants them', () => {
    expect(LEGACY.map((one) => one.prototype.name)).toEqual(expect.arrayContaining(['htmlfile', 'jsonp']));
  });

  it.each(['htmlfile', 'jsonp'])('are not known by their names: %s', (name) => {
    expect(() => transports({ transports: [name as never] })).toThrow(TypeError);
    expect(() => transports({ transports: [name as never] })).toThrow(`"${name}" is none of`);
    expect(() => transports({ transports: [name as never] })).toThrow('pass its class');
  });

  it('stand where they are put, and JSONP last', () => {
    globals.document = {};
    expect(namesOf('polling', HtmlFileTransport)).toEqual(['polling', 'htmlfile']);
    expect(namesOf(HtmlFileTransport, 'polling')).toEqual(['htmlfile', 'polling']);
    expect(namesOf(JsonpTransport, HtmlFileTransport, 'polling')).toEqual(['htmlfile', 'polling', 'jsonp']);
    expect(namesOf(JsonpTransport)).toEqual(['jsonp']);
  });

  it('are left out where there is no page', () => {
    expect(namesOf('polling', HtmlFileTransport, JsonpTransport)).toEqual(['polling']);
    expect(() => namesOf(JsonpTransport)).toThrow('none of these transports is available');
  });

  it('can be given as classes together with the stock ones', () => {
    expect(namesOf(stock.websocket as never, 'polling')).toEqual(['websocket', 'polling']);
  });
});

describe('JsonpTransport', () => {
  class Fake {
    readonly listeners = new Map<string, () => void>();
    [field: string]: unknown;
    addEventListener(type: string, listener: () => void): void {
      this.listeners.set(type, listener);
    }
    append(): void {}
    remove(): void {}
  }

  /** A transport on a page of which nothing is real. */
  function setUp({ readyState = 'complete' } = {}) {
    const made: Fake[] = [];
    const appended: unknown[] = [];
    const place = { append: (element: unknown) => appended.push(element) };
    globals.document = {
      readyState,
      head: place,
      body: place,
      createElement: () => {
        const element = new Fake();
        made.push(element);
        return element;
      },
    };
    const timers: (() => void)[] = [];
    const opts = {
      query: { EIO: 4, transport: 'jsonp' },
      hostname: 'localhost',
      port: 80,
      path: '/',
      timestampParam: 't',
      socket: { binaryType: 'arraybuffer' },
    };
    const transport = new JsonpTransport(opts);
    Object.assign(transport, {
      setTimeoutFn: (callback: () => void) => timers.push(callback),
      clearTimeoutFn: () => {},
    });
    const log: string[] = [];
    transport.on('packet' as never, ((packet: { type: string }) => log.push(packet.type)) as never);
    transport.on('error' as never, ((error: Error) => log.push(error.message)) as never);
    const call = (payload: string) => (globals.___eio![0] as (payload: string) => void)(payload);
    return { transport, made, appended, timers, log, call };
  }

  const OPEN = `0${JSON.stringify({ sid: 's', upgrades: [], pingInterval: 1000, pingTimeout: 500, maxPayload: 1000 })}`;

  it('is a form of polling on the wire, with a callback of its own', () => {
    const { transport, made } = setUp();
    transport.open();
    expect(String(made[0]!['src'])).toMatch(/^http:\/\/localhost\/\?EIO=4&transport=polling&resume=1&j=0&t=/);
    expect(made[0]!['referrerPolicy']).toBe('origin');
    expect(new JsonpTransport({ query: {}, socket: {} }).query).toMatchObject({ j: '1' });
  });

  it('takes what its callback is called with, once a script', () => {
    const { transport, log, call, made } = setUp();
    transport.open();
    call(OPEN);
    made[0]!.listeners.get('load')!();
    expect(log).toEqual(['open']);
    call('4a');
    expect(log).toEqual(['open', 'message']);
  });

  it.each(['load', 'error'])('fails when a script comes to "%s" without a call', (event) => {
    const { transport, log, made, call } = setUp();
    transport.open();
    made[0]!.listeners.get(event)!();
    expect(log).toEqual(['xhr poll error']);
    // a late call does no harm
    call('4a');
    expect(log).toEqual(['xhr poll error']);
  });

  it('asks when the page is loaded, whose load its scripts would hold back', () => {
    const listeners = new Map<string, () => void>();
    globals.addEventListener = (type: string, listener: () => void) => listeners.set(type, listener);
    const { transport, made, appended } = setUp({ readyState: 'interactive' });
    transport.open();
    expect(appended).toEqual([]);
    listeners.get('load')!();
    expect(appended).toEqual([made[0]]);
  });

  it('asks no more when the page is loaded too late', () => {
    const listeners = new Map<string, () => void>();
    globals.addEventListener = (type: string, listener: () => void) => listeners.set(type, listener);
    const { transport, appended, timers, log } = setUp({ readyState: 'loading' });
    transport.open();
    timers[0]!();
    listeners.get('load')!();
    expect(appended).toEqual([]);
    expect(log).toEqual(['xhr poll error']);
  });

  it('fails when a script does not come', () => {
    const { transport, log, timers } = setUp();
    transport.open();
    timers[0]!();
    expect(log).toEqual(['xhr poll error']);
  });

  it('keeps nothing for a script that came after its end', () => {
    const { transport, made } = setUp();
    transport.open();
    const before = globals.___eio![0];
    (transport as unknown as { onClose(): void }).onClose();
    // it may still come, and then its session is ended
    expect(globals.___eio![0]).toBe(before);
    made[0]!.listeners.get('load')!();
    expect(globals.___eio![0]).not.toBe(before);
    expect(globals.___eio).toHaveLength(1);
  });

  it('keeps nothing once it is closed between two scripts', () => {
    const { transport, made } = setUp();
    transport.open();
    const before = globals.___eio![0];
    made[0]!.listeners.get('load')!();
    (transport as unknown as { onClose(): void }).onClose();
    expect(globals.___eio![0]).not.toBe(before);
  });

  it('escapes line feeds for a form, and sends what is too much for one in several', async () => {
    const { transport, made, call } = setUp();
    transport.open();
    call(OPEN);
    Object.assign(Fake.prototype, { submit() {} });
    (transport as unknown as { write(packets: object[]): void }).write([
      { type: 'message', data: 'a\nb\\nc' },
      { type: 'message', data: 'x'.repeat(245) },
    ]);
    await Promise.resolve();
    const texts = () => made.filter((one) => one['name'] === 'd').map((one) => one['value']);
    expect(texts()).toEqual(['4a\\nb\\\\nc']);
    // the frame has loaded what it may not show
    made.find((one) => one['name'] === '___eio_0')!.listeners.get('load')!();
    expect(texts()).toEqual(['4a\\nb\\\\nc', `4${'x'.repeat(245)}`]);
  });
});
