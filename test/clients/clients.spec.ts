import { describe, expect, it } from '@jest/globals';
import type { Socket } from 'socket.io';
import { ours, until } from '../support/wire-engine.js';
import { arrival, combinations, settled, silence, useSocketIo } from '../support/wire-clients.js';

/*
 * Clients as people have them installed, on a stock socket.io Server that is bound to our engine.
 */

const start = useSocketIo();

describe.each(combinations)('socket.io-client $version over $mode', (combination) => {
  it('connects, and both sides know each other', async () => {
    const { engine, join } = await start();
    const { client, socket } = await join(combination, { query: { room: 'a b', lang: 'čeština' } });
    expect(client.connected).toBe(true);
    expect(client.id).toBe(socket.id);
    expect(client.io.engine.id).toBe((socket.conn as unknown as { id: string }).id);
    expect(socket.conn.protocol).toBe(combination.protocol);
    expect(socket.handshake.query).toMatchObject({ room: 'a b', lang: 'čeština', EIO: String(combination.protocol) });
    expect(socket.handshake.address).toBe('127.0.0.1');
    expect(socket.conn.transport.name).toBe(combination.settles);
    expect((socket.conn as unknown as { upgraded: boolean }).upgraded).toBe(combination.transports.length > 1);
    expect(engine.clientsCount).toBe(1);
  });

  it('joins namespaces over one connection', async () => {
    const { io, engine, dial } = await start();
    const admin = new Promise<Socket>((resolve) => io.of('/admin').once('connection', resolve));
    const dynamic = new Promise<Socket>((resolve) => io.of(/^\/team-\d+$/).once('connection', resolve));
    const first = dial(combination, '/admin', { forceNew: false });
    const second = dial(combination, '/team-7', { forceNew: false });
    const [adminSocket, teamSocket] = await Promise.all([admin, dynamic]);
    adminSocket.emit('whoami', adminSocket.nsp.name);
    teamSocket.emit('whoami', teamSocket.nsp.name);
    expect(await Promise.all([arrival(first, 'whoami'), arrival(second, 'whoami')])).toEqual([['/admin'], ['/team-7']]);
    expect(engine.clientsCount).toBe(1);
    const left = arrival(adminSocket, 'disconnect');
    first.close();
    expect(await left).toEqual(['client namespace disconnect', undefined]);
    teamSocket.emit('whoami', 'still here');
    expect(await arrival(second, 'whoami')).toEqual(['still here']);
  });

  it('is told that a namespace does not exist', async () => {
    const { dial } = await start();
    const client = dial(combination, '/nowhere');
    const [error] = await arrival(client, combination.refusal);
    expect((error as Error).message ?? error).toBe('Invalid namespace');
  });

  it('is told why a middleware refuses it', async () => {
    const { io, dial } = await start();
    io.use((_socket, next) => next(Object.assign(new Error('not today'), { data: { retry: 'tomorrow' } })));
    const client = dial(combination);
    const [error] = await arrival(client, combination.refusal);
    if (combination.protocol === 4) {
      expect(error).toMatchObject({ message: 'not today', data: { retry: 'tomorrow' } });
    } else {
      expect(error).toEqual({ retry: 'tomorrow' });
    }
    expect(client.connected).toBe(false);
  });

  it('acknowledges, and is acknowledged', async () => {
    const { join } = await start();
    const { client, socket } = await join(combination);
    socket.on('sum', (a: number, b: number, reply: (sum: number) => void) => reply(a + b));
    client.on('shout', (text: string, reply: (text: string, bytes: Buffer) => void) =>
      reply(text.toUpperCase(), Buffer.from(text)),
    );
    const sum = await new Promise((resolve) => client.emit('sum', 2, 3, resolve));
    expect(sum).toBe(5);
    const shouted = await new Promise((resolve) =>
      socket.emit('shout', 'čau', (text: string, bytes: Buffer) => resolve([text, Buffer.from(bytes).toString()])),
    );
    expect(shouted).toEqual(['ČAU', 'čau']);
    const many = await Promise.all(
      Array.from({ length: 50 }, (_, i) => new Promise((resolve) => client.emit('sum', i, i, resolve))),
    );
    expect(many).toEqual(Array.from({ length: 50 }, (_, i) => 2 * i));
  });

  it('exchanges binary, nested and large', async () => {
    const { join } = await start();
    const { client, socket } = await join(combination);
    const large = Buffer.alloc(100_000, 0xa7);
    const sent = { list: [Buffer.from([0]), Buffer.alloc(0), 'text'], deep: { large } };
    socket.on('up', (data) => socket.emit('down', data, Buffer.from([255])));
    const answered = arrival(client, 'down');
    client.emit('up', sent);
    const [back, extra] = (await answered) as [typeof sent, Buffer];
    expect(large.equals(Buffer.from(back.deep.large))).toBe(true);
    expect(back.list.map((one) => (typeof one === 'string' ? one : Buffer.from(one).toString('hex')))).toEqual([
      '00',
      '',
      'text',
    ]);
    expect(Buffer.from(extra)).toEqual(Buffer.from([255]));
  });

  it('keeps the order of 1,000 messages each way, binary among them, from the first moment on', async () => {
    const { sockets, dial } = await start();
    const client = dial(combination);
    const down: number[] = [];
    const up: number[] = [];
    client.on('down', (i: number) => down.push(i));
    client.on('connect', () => {
      for (let i = 0; i < 500; i++) client.emit('up', i, ...(i % 50 === 0 ? [Buffer.from([i % 256])] : []));
    });
    const socket = await sockets.next();
    socket.on('up', (i: number) => up.push(i));
    for (let i = 0; i < 1_000; i++) {
      socket.emit('down', i, ...(i % 50 === 0 ? [Buffer.from([i % 256])] : []));
      // over several turns, so that an upgrade comes in the middle
      if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await settled(combination, client, socket);
    await until(() => client.connected);
    for (let i = 500; i < 1_000; i++) client.emit('up', i);
    await until(() => up.length === 1_000 && down.length === 1_000);
    const counted = Array.from({ length: 1_000 }, (_, i) => i);
    expect(down).toEqual(counted);
    expect(up).toEqual(counted);
  });

  it('comes back after the server has closed the transport', async () => {
    const { engine, sockets, join } = await start();
    const { client, socket } = await join(combination);
    const { id } = client;
    const lost = arrival(client, 'disconnect');
    const left = arrival(socket, 'disconnect');
    (socket.conn as unknown as { close(): void }).close();
    expect((await lost)[0]).toBe('transport close');
    expect((await left)[0]).toBe('forced close');
    const again = await sockets.next();
    await until(() => client.connected);
    expect(client.id).toBe(again.id);
    expect(client.id).not.toBe(id);
    again.emit('welcome', 'back');
    expect(await arrival(client, 'welcome')).toEqual(['back']);
    expect(engine.clientsCount).toBe(1);
  });

  it('does not come back after the server has disconnected it', async () => {
    const { engine, join } = await start();
    const { client, socket } = await join(combination);
    const lost = arrival(client, 'disconnect');
    const left = arrival(socket, 'disconnect');
    socket.emit('goodbye', 1);
    const goodbye = arrival(client, 'goodbye');
    socket.disconnect(true);
    expect(await goodbye).toEqual([1]);
    expect((await lost)[0]).toBe('io server disconnect');
    expect((await left)[0]).toBe('server namespace disconnect');
    await until(() => engine.clientsCount === 0);
    expect(client.connected).toBe(false);
  });

  it('leaves when it disconnects', async () => {
    const { engine, join } = await start();
    const { client, socket } = await join(combination);
    const lost = arrival(client, 'disconnect');
    const left = arrival(socket, 'disconnect');
    client.close();
    expect((await lost)[0]).toBe('io client disconnect');
    expect(['client namespace disconnect', 'transport close']).toContain((await left)[0]);
    await until(() => engine.clientsCount === 0);
  });

  it('leaves when its engine closes, and comes back', async () => {
    const { sockets, join } = await start();
    const { client, socket } = await join(combination);
    const lost = arrival(client, 'disconnect');
    const left = arrival(socket, 'disconnect');
    client.io.engine.close();
    expect((await lost)[0]).toBe(combination.ownEngineClose);
    expect((await left)[0]).toBe('transport close');
    const again = await sockets.next();
    expect(again.id).not.toBe(socket.id);
  });

  // stock forgets the time-out of a revision 3 session when it upgrades
  if (ours || combination.protocol === 4 || combination.transports.length === 1) {
    it('leaves by ping timeout when it falls silent', async () => {
      const { join } = await start({ pingInterval: 150, pingTimeout: 150 });
      const { client, socket } = await join(combination);
      const left = arrival(socket, 'disconnect');
      silence(client);
      expect((await left)[0]).toBe('ping timeout');
    });
  }

  it('stays while heartbeats go to and fro', async () => {
    const { join } = await start({ pingInterval: 50, pingTimeout: 1_000 });
    const { client, socket } = await join(combination);
    for (let beat = 0; beat < 3; beat++) await arrival(socket.conn as never, 'heartbeat');
    socket.emit('still', 'here');
    expect(await arrival(client, 'still')).toEqual(['here']);
  });

  it('hears what is sent to its rooms, and nothing else', async () => {
    const { io, join } = await start();
    const members = [await join(combination), await join(combination), await join(combination)];
    const heard: unknown[][] = members.map(() => []);
    members.forEach(({ client }, i) => client.on('news', (...args: never[]) => heard[i]!.push(...args)));
    members[0]!.socket.join('red');
    members[1]!.socket.join(['red', 'blue']);
    io.to('red').emit('news', 'to red');
    io.to('red')
      .to('blue')
      .emit('news', 'to both', Buffer.from([1]));
    io.except('blue').emit('news', 'not blue');
    members[0]!.socket.broadcast.emit('news', 'but the first');
    io.emit('news', 'last');
    await until(() => heard.every((one) => one.includes('last')));
    const bytes = expect.anything();
    expect(heard).toEqual([
      ['to red', 'to both', bytes, 'not blue', 'last'],
      ['to red', 'to both', bytes, 'but the first', 'last'],
      ['not blue', 'but the first', 'last'],
    ]);
  });

  it('gets volatile messages when it can take them, in order with the others', async () => {
    const { join } = await start();
    const { client, socket } = await join(combination);
    const heard: unknown[] = [];
    client.on('tick', (i: number) => heard.push(i));
    await until(() => socket.conn.transport.writable);
    socket.volatile.emit('tick', 0);
    await until(() => heard.length === 1);
    for (let i = 1; i <= 300; i++) socket.volatile.emit('tick', i);
    socket.emit('tick', 'end');
    await until(() => heard.at(-1) === 'end');
    const ticks = heard.slice(0, -1) as number[];
    expect(ticks).toEqual(ticks.toSorted((a, b) => a - b));
  });

  // version 2 has no volatile
  if (combination.protocol === 4) {
    it('sends volatile messages when it can', async () => {
      const { join } = await start();
      const { client, socket } = await join(combination);
      const arrived = arrival(socket, 'tick');
      const sender = setInterval(() => client.volatile!.emit('tick', 1), 5);
      try {
        expect(await arrived).toEqual([1]);
      } finally {
        clearInterval(sender);
      }
    });
  }
});

describe.each(combinations.filter(({ recovers }) => recovers))(
  'connection state recovery of socket.io-client $version over $mode',
  (combination) => {
    it('restores id, rooms and data, and delivers what was missed', async () => {
      const { io, sockets, join } = await start({}, { connectionStateRecovery: {} });
      const { client, socket } = await join(combination);
      expect(client.recovered).toBe(false);
      socket.join('red');
      socket.data.name = 'Ann';
      const heard: unknown[] = [];
      client.on('news', (text: string) => heard.push(text));
      io.emit('news', 'before');
      await until(() => heard.length === 1);
      const { id } = client;
      const lost = arrival(client, 'disconnect');
      const left = arrival(socket, 'disconnect');
      (socket.conn as unknown as { close(): void }).close();
      await Promise.all([lost, left]);
      io.to('red').emit('news', 'meanwhile');
      io.to('blue').emit('news', 'not for us');
      const again = await sockets.next();
      await until(() => client.connected && heard.length === 2);
      expect(client).toMatchObject({ recovered: true, id });
      expect(again).toMatchObject({ recovered: true, id, data: { name: 'Ann' } });
      expect(again.rooms).toEqual(new Set([id, 'red']));
      io.emit('news', 'after');
      await until(() => heard.length === 3);
      expect(heard).toEqual(['before', 'meanwhile', 'after']);
    });

    it('does not restore after a disconnect on purpose', async () => {
      const { io, sockets, join } = await start({}, { connectionStateRecovery: {} });
      const { client, socket } = await join(combination);
      io.emit('news', 'before');
      await arrival(client, 'news');
      client.close();
      await arrival(socket, 'disconnect');
      client.connect();
      const again = await sockets.next();
      expect(again.recovered).toBe(false);
      expect(again.id).not.toBe(socket.id);
    });
  },
);
