import { describe, expect, it } from '@jest/globals';
import { areaOf, forbiddenImports, forbiddenInSample } from './layers.js';
import { filesBelow, importsOf, parse, read } from './sources.js';

const lib = filesBelow('lib', /\.ts$/);
const samples = filesBelow('sample', /(?<!\.d)\.ts$/);

describe('the importer of modules', () => {
  it('sees every way to name one', () => {
    const text = `
      import a from 'a';
      import type b from 'b';
      import { type c1, type c2 } from 'c';
      import { type d1, d2 } from 'd';
      import 'e';
      export * from 'f';
      export type { g } from 'g';
      import h = require('h');
      const i = require('i');
      const j = () => import('j');
      let k: import('k').K;
      // import 'comment';
      const text = "import 'string'";
    `;
    const shown = importsOf(parse('x.ts', text)).map(
      ({ specifier, isTypeOnly }) => specifier + (isTypeOnly ? ' type' : ''),
    );
    expect(shown).toEqual(['a', 'b type', 'c type', 'd', 'e', 'f', 'g type', 'h', 'i', 'j', 'k type']);
  });
});

describe('who may import what', () => {
  it.each([
    ['lib/engine/protocol/codec.ts', `import '../errors.js'`],
    ['lib/engine/protocol/codec.ts', `import 'node:http'`],
    ['lib/engine/transports/polling.ts', `import 'ws'`],
    ['lib/engine/transports/polling.ts', `import '../session.js'`],
    ['lib/engine/transports/polling.ts', `import { check } from '../options.js'`],
    ['lib/engine/session.ts', `import './transports/websocket.js'`],
    ['lib/engine/session.ts', `import type { Socket } from 'socket.io'`],
    ['lib/engine/engine.ts', `import 'rxjs'`],
    ['lib/engine/engine.ts', `import '../nest/nestwire.adapter.js'`],
    ['lib/socket-io/bind-socket-io.ts', `import '@nestjs/common'`],
    ['lib/streams/operators/drop.ts', `import { of } from '../../nest/x.js'`],
    ['lib/nest/nestwire.adapter.ts', `import '@nestjs/websockets/internal'`],
    ['lib/nest/nestwire.adapter.ts', `import '@nestjs/core/injector/module.js'`],
    ['lib/nest/nestwire.adapter.ts', `import { Server } from 'socket.io'`],
    ['lib/nest/nestwire.adapter.ts', `import { redis } from '../scale-out/redis.js'`],
    ['lib/client/connect.ts', `import 'node:http'`],
    ['lib/elsewhere/x.ts', `import 'node:http'`],
  ])('%s may not %s', (path, text) => {
    expect(forbiddenImports(path, text)).toHaveLength(1);
  });

  it.each([
    ['lib/engine/protocol/codec.ts', `import './packet.js'`],
    ['lib/engine/transports/websocket.ts', `import 'ws'; import './transport.js'`],
    ['lib/engine/transports/polling.ts', `import type { Options } from '../options.js'`],
    ['lib/engine/session.ts', `import './transports/registry.js'; import './protocol/packet.js'; import './errors.js'`],
    ['lib/nest/nestwire.adapter.ts', `import '@nestjs/common'; import type { Server } from 'socket.io'`],
  ])('%s may %s', (path, text) => {
    expect(forbiddenImports(path, text)).toEqual([]);
  });

  it('holds in lib', () => {
    expect(lib).not.toEqual([]);
    expect(lib.filter((path) => !areaOf(path))).toEqual([]);
    expect(lib.flatMap((path) => forbiddenImports(path, read(path)))).toEqual([]);
  });

  it('refuses a sample that reaches into the package', () => {
    expect(
      forbiddenInSample('sample/board/main.ts', `import '../../lib/index.js'; import '../shared.js'`),
    ).toHaveLength(2);
    expect(forbiddenInSample('sample/board/main.ts', `import 'nestwire'; import './app.module.js'`)).toEqual([]);
  });

  it('holds in the samples', () => {
    expect(samples).not.toEqual([]);
    expect(samples.flatMap((path) => forbiddenInSample(path, read(path)))).toEqual([]);
  });
});
