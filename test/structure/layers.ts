import { importsOf, packageOf, parse, resolveRelative, type Import } from './sources.js';

/** Who may import what: the areas of the package and the rules between them. */
interface Area {
  /** Which files the area holds; the first area that matches counts. */
  files: RegExp;
  /** Own files that it may import, besides those of the area itself. */
  own: RegExp[];
  /** Own files of which it may use the types. */
  ownTypes?: RegExp[];
  /** Packages, by name; `node:*` stands for all of Node's own modules. */
  packages: string[];
  /** Packages of which it may use the types. */
  packageTypes?: string[];
}

const PROTOCOL = /^lib\/engine\/protocol\//;
const CONTRACT = /^lib\/engine\/transports\/transport\.ts$/;
const REGISTRY = /^lib\/engine\/transports\/registry\.ts$/;
const DEADLINES = /^lib\/engine\/deadlines\.ts$/;
const TABLES = /^lib\/engine\/(errors|close-reason)\.ts$/;
const ENGINE = /^lib\/engine\//;

/** What every transport may import; the files of the WebSocket transport may have `ws` as well. */
const TRANSPORT = {
  own: [PROTOCOL, TABLES, DEADLINES],
  ownTypes: [/^lib\/engine\/(options|inbox)\.ts$/],
  packages: ['node:*', 'accepts'],
};

export const AREAS: Record<string, Area> = {
  protocol: { files: PROTOCOL, own: [], packages: ['node:buffer', 'engine.io-parser'] },
  registry: { files: REGISTRY, own: [/^lib\/engine\/transports\//, PROTOCOL, TABLES], packages: [] },
  websocket: {
    ...TRANSPORT,
    files: /^lib\/engine\/transports\/websocket(-\w+)?\.ts$/,
    own: [...TRANSPORT.own, /^lib\/engine\/transports\/(?!registry)/],
    packages: [...TRANSPORT.packages, 'ws'],
  },
  transports: { ...TRANSPORT, files: /^lib\/engine\/transports\//, packageTypes: ['ws'] },
  'websocket-acceptor': { files: /^lib\/engine\/websocket-\w+\.ts$/, own: [ENGINE], packages: ['node:*', 'ws'] },
  engine: {
    files: ENGINE,
    own: [PROTOCOL, CONTRACT, REGISTRY, /^lib\/engine\/websocket-\w+\.ts$/],
    packages: ['node:*', 'accepts', 'cookie', 'cors', 'proxy-addr'],
    packageTypes: ['ws'],
  },
  'socket-io': { files: /^lib\/socket-io\//, own: [ENGINE], packages: ['node:*', 'accepts', 'cors', 'socket.io'] },
  streams: { files: /^lib\/streams\//, own: [], ownTypes: [/^lib\//], packages: ['rxjs'], packageTypes: ['socket.io'] },
  emitter: {
    files: /^lib\/emitter\//,
    own: [/^lib\/streams\//, /^lib\/socket-io\/namespaces\.ts$/],
    packages: ['rxjs'],
    packageTypes: ['socket.io'],
  },
  'scale-out': {
    files: /^lib\/scale-out\//,
    own: [ENGINE, /^lib\/emitter\//],
    packages: ['node:*', 'socket.io', 'socket.io-adapter', '@socket.io/redis-streams-adapter', 'redis', 'ioredis'],
  },
  redis: {
    files: /^lib\/redis\//,
    own: [/^lib\/scale-out\//, /^lib\/nest\//, /^lib\/emitter\//, /^lib\/socket-io\//, /^lib\/engine\/index\.ts$/],
    packages: ['@nestjs/common', '@nestjs/core', 'redis', 'socket.io'],
  },
  client: { files: /^lib\/client\//, own: [], packages: ['engine.io-client', 'socket.io-client'] },
  testing: {
    files: /^lib\/testing\//,
    own: [/^lib\/client\//, /^lib\/emitter\//],
    ownTypes: [/^lib\//],
    packages: ['node:*', 'socket.io', 'socket.io-client', 'engine.io-client'],
  },
  nest: {
    files: /^lib\/nest\//,
    own: [ENGINE, /^lib\/streams\//, /^lib\/emitter\//, /^lib\/socket-io\//],
    ownTypes: [/^lib\/scale-out\//],
    packages: ['node:*', '@nestjs/common', '@nestjs/core', '@nestjs/websockets', 'rxjs', 'reflect-metadata'],
    packageTypes: ['socket.io'],
  },
  index: {
    files: /^lib\/index\.ts$/,
    own: [/^lib\/(nest|streams|emitter|engine\/index\.ts$)/],
    packages: [],
    packageTypes: ['socket.io'],
  },
};

/** Packages whose root barrel is their public API: a path into them is private. */
const BARRELS = /^@nestjs\/[^/]+\/|^(ws|socket\.io|engine\.io|engine\.io-client|socket\.io-client)\//;

const matches = (path: string, patterns: RegExp[] = []): boolean => patterns.some((pattern) => pattern.test(path));

const isListed = (specifier: string, packages: string[] = []): boolean =>
  packages.includes(packageOf(specifier)) || (specifier.startsWith('node:') && packages.includes('node:*'));

export const areaOf = (path: string): string | undefined =>
  Object.keys(AREAS).find((name) => AREAS[name].files.test(path));

function isAllowed(path: string, { specifier, isTypeOnly }: Import): boolean {
  const name = areaOf(path);
  if (!name) return false;
  const area = AREAS[name];
  if (!specifier.startsWith('.')) {
    if (BARRELS.test(specifier)) return false;
    return isListed(specifier, area.packages) || (isTypeOnly && isListed(specifier, area.packageTypes));
  }
  const target = resolveRelative(path, specifier);
  if (areaOf(target) === name || matches(target, area.own)) return true;
  return isTypeOnly && matches(target, area.ownTypes);
}

/** The imports of a file of lib that its area does not allow. */
export const forbiddenImports = (path: string, text: string): string[] =>
  importsOf(parse(path, text))
    .filter((entry) => !isAllowed(path, entry))
    .map(({ specifier, isTypeOnly }) => `${path} → ${specifier}${isTypeOnly ? ' (type)' : ''}`);

/**
 * The imports of a sample that are not what a user could write: a sample stands for an application, so it knows the
 * package by its name and its own folder by relative paths.
 */
export const forbiddenInSample = (path: string, text: string): string[] => {
  const [, folder] = /^(sample\/[^/]+\/)/.exec(path) ?? [];
  return importsOf(parse(path, text))
    .filter(({ specifier }) =>
      specifier.startsWith('.')
        ? !folder || !resolveRelative(path, specifier).startsWith(folder)
        : BARRELS.test(specifier) || specifier.startsWith('/'),
    )
    .map(({ specifier }) => `${path} → ${specifier}`);
};
