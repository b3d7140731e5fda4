import type { CanActivate, ExceptionFilter } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { InvalidOptionError } from '../engine/index.js';
import type { BoundServerOptions } from '../socket-io/bind-socket-io.js';
import { DEFAULT_CONNECTION_GUARD_TIMEOUT } from './connection-guards/connection-guards.js';
import { resolveEnhancers } from './enhancers.js';
import type { ScaleOut } from '../scale-out/scale-out.js';
import type { ErrorReplies, HandlerOrdering, NestwireOptions } from './nestwire-options.js';
import type { StreamDefaults } from './streams/stream-options.js';

/** Milliseconds that a timer of Node can wait. */
const MAX_TIMEOUT = 2_147_483_647;

/** The options of the Nest layer, with their defaults; classes are instances. */
export interface NestOptions {
  readonly errors: ErrorReplies;
  readonly ordering: HandlerOrdering;
  readonly streams: StreamDefaults;
  readonly includeCause: boolean;
  readonly filters: readonly ExceptionFilter[];
  readonly connectionGuards: readonly CanActivate[];
  readonly connectionGuardTimeout: number;
  readonly scaleOut: ScaleOut | null;
  readonly recoverable: boolean;
  readonly drain: number;
}

/**
 * Takes the options of the Nest layer out of all options.
 *
 * @param modules where classes are looked up; undefined when the adapter does not know its application.
 * @throws InvalidOptionError
 */
export function resolveNestOptions(
  options: NestwireOptions,
  modules: ModulesContainer | undefined,
): { nest: NestOptions; serverOptions: BoundServerOptions } {
  const {
    errors = 'reply',
    ordering = 'none',
    streams = {},
    includeCause = false,
    filters,
    connectionGuards,
    connectionGuardTimeout = DEFAULT_CONNECTION_GUARD_TIMEOUT,
    scaleOut = null,
    recoverable = false,
    drain = 0,
    ...serverOptions
  } = options;
  if (errors !== 'reply' && errors !== 'nest') throw new InvalidOptionError('errors', 'must be "reply" or "nest"');
  if (ordering !== 'none' && ordering !== 'client') {
    throw new InvalidOptionError('ordering', 'must be "none" or "client"');
  }
  if (typeof includeCause !== 'boolean') throw new InvalidOptionError('includeCause', 'must be true or false');
  if (scaleOut !== null && typeof (scaleOut as Partial<ScaleOut>).start !== 'function') {
    throw new InvalidOptionError(
      'scaleOut',
      'must be made by redisScaleOut() of "nestwire/redis", or have its start()',
    );
  }
  if (typeof recoverable !== 'boolean') throw new InvalidOptionError('recoverable', 'must be true or false');
  if (!(connectionGuardTimeout > 0 && connectionGuardTimeout <= MAX_TIMEOUT)) {
    throw new InvalidOptionError('connectionGuardTimeout', `must be more than 0 and at most ${MAX_TIMEOUT} ms`);
  }
  if (!(drain >= 0 && drain <= MAX_TIMEOUT)) {
    throw new InvalidOptionError('drain', `must be 0 or more and at most ${MAX_TIMEOUT} ms`);
  }
  if (modules === undefined && filters !== undefined) {
    throw new InvalidOptionError('filters', 'needs the application: new NestwireAdapter(server, { app })');
  }
  return {
    nest: {
      errors,
      ordering,
      streams: { ...streams, recoverable: streams.recoverable ?? recoverable },
      includeCause,
      filters: resolveEnhancers<ExceptionFilter>('filters', filters, modules),
      connectionGuards: resolveEnhancers<CanActivate>('connectionGuards', connectionGuards, modules),
      connectionGuardTimeout,
      scaleOut,
      recoverable,
      drain,
    },
    serverOptions,
  };
}
