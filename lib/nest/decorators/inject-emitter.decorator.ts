import { Inject } from '@nestjs/common';
import { getEmitterToken, type EmitterAddress } from '../emitters/emitter-tokens.js';

/**
 * Injects an {@link Emitter}, which sends to the clients of a namespace, into any provider or controller of any module.
 *
 * ```ts
 * @Injectable()
 * export class BoardAnnouncer {
 *   constructor(@InjectEmitter('board') private readonly board: Emitter<BoardEvents>) {}
 * }
 * ```
 *
 * Needs `NestwireModule.forRoot()` or `forRootAsync()` in the application, and the `NestwireAdapter`.
 *
 * @param address a namespace of the application's own server, or of another one (`{ port, path, namespace }`). Default the main
 *   namespace.
 * @throws TypeError for a namespace that cannot be one: see {@link getEmitterToken}.
 */
export function InjectEmitter(address?: string | EmitterAddress): ParameterDecorator & PropertyDecorator {
  return Inject(getEmitterToken(address));
}
