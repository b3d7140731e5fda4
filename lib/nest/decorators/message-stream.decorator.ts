import type { PipeTransform, Type } from '@nestjs/common';
import type { Observable } from 'rxjs';
import type { Incoming } from '../../streams/incoming.js';

/** A pipe, or its class. */
export type Pipe = PipeTransform | Type<PipeTransform>;

/** A schema by the Standard Schema specification (https://standardschema.dev), which Nest's own pipe validates with. */
interface Schema<T> {
  readonly '~standard': { readonly types?: { readonly output: T } | undefined };
}

/** What a stream's elements go through, as `@MessageBody({ … })` takes it. */
export interface MessageStreamOptions<T = any> {
  /** For pipes that validate by a schema, for example Nest's `StandardSchemaValidationPipe`. */
  schema?: Schema<T>;
  pipes?: Pipe[];
}

/** What a method says of its stream. @internal */
export interface MessageStreamMetadata {
  readonly index: number;
  readonly type: Type | undefined;
  readonly pipes: readonly Pipe[];
  readonly schema: unknown;
}

const METADATA = Symbol('nestwire.message-stream');

/** Whether a parameter can be given the stream; otherwise a text that the compiler shows. */
type Checked<C, K, I, T> = K extends keyof C
  ? C[K] extends (...args: infer A) => unknown
    ? I extends keyof A
      ? Observable<T> extends A[I]
        ? unknown
        : Observable<Incoming<T>> extends A[I]
          ? unknown
          : 'the parameter must be an Observable of what @MessageStream names, or of Incoming of it'
      : unknown
    : unknown
  : unknown;

/** Decorates a parameter of type `Observable<T>` or `Observable<Incoming<T>>`; a parameter of another type does not compile. */
export type StreamParameterDecorator<T> = <C, K extends PropertyKey, I extends number>(
  target: C,
  key: K | undefined,
  index: I & Checked<C, K, `${I}`, T>,
) => void;

/**
 * The parameter of a `@SubscribeStream` method that gets the stream: an Observable whose elements have passed guards and pipes.
 *
 * ```ts
 * strokes(@MessageStream(StrokeDto) stroke$: Observable<StrokeDto>)
 * ```
 *
 * @param type what an element is, for pipes that validate or transform: `Observable<StrokeDto>` does not say it at run time.
 * @param pipes further pipes for each element, after those of the application, the gateway and the method.
 */
export function MessageStream(): StreamParameterDecorator<any>;
export function MessageStream(type: StringConstructor, ...pipes: Pipe[]): StreamParameterDecorator<string>;
export function MessageStream(type: NumberConstructor, ...pipes: Pipe[]): StreamParameterDecorator<number>;
export function MessageStream(type: BooleanConstructor, ...pipes: Pipe[]): StreamParameterDecorator<boolean>;
export function MessageStream(...pipes: [Pipe, ...Pipe[]]): StreamParameterDecorator<any>;
export function MessageStream<T>(type: Type<T>, ...pipes: Pipe[]): StreamParameterDecorator<T>;
export function MessageStream<T>(options: MessageStreamOptions<T>): StreamParameterDecorator<T>;
export function MessageStream(...given: unknown[]): StreamParameterDecorator<any> {
  const description = describe(given);
  return (target: unknown, key: PropertyKey | undefined, index: number) => {
    if (typeof target !== 'object' || target === null || key === undefined)
      throw new TypeError('@MessageStream() is for a parameter of a method of a gateway');
    const { constructor } = target;
    const earlier = Reflect.getOwnMetadata(METADATA, constructor, key as string) as object[] | undefined;
    Reflect.defineMetadata(METADATA, [...(earlier ?? []), { ...description, index }], constructor, key as string);
  };
}

/** The parameters of a method that are decorated; there should be one. @internal */
export function messageStreamsOf(constructor: object, key: string): readonly MessageStreamMetadata[] {
  return (Reflect.getOwnMetadata(METADATA, constructor, key) as MessageStreamMetadata[] | undefined) ?? [];
}

function describe(given: readonly unknown[]): Omit<MessageStreamMetadata, 'index'> {
  if (given.length === 0) return { type: undefined, pipes: [], schema: undefined };
  const [first, ...rest] = given;
  if (isPipe(first)) return { type: undefined, pipes: checked(given), schema: undefined };
  if (typeof first === 'function') return { type: first as Type, pipes: checked(rest), schema: undefined };
  if (typeof first !== 'object' || first === null) throw notThere(first);
  if ('schema' in first && first.schema === undefined) throw notThere(undefined);
  const { schema, pipes = [] } = first as MessageStreamOptions;
  return { type: undefined, pipes: checked([...pipes, ...rest]), schema };
}

function checked(pipes: readonly unknown[]): readonly Pipe[] {
  for (const pipe of pipes) if (typeof pipe !== 'function' && !isPipe(pipe)) throw notThere(pipe);
  return pipes as readonly Pipe[];
}

/** What is not there yet when the class is made would be taken for nothing, and messages would pass unchecked. */
function notThere(value: unknown): TypeError {
  return new TypeError(
    `@MessageStream() was given ${String(value)} for a type, pipe or schema. Do two files import each other?`,
  );
}

function isPipe(value: unknown): value is Pipe {
  const holder = typeof value === 'function' ? (value.prototype as unknown) : value;
  return typeof (holder as Partial<PipeTransform> | null | undefined)?.transform === 'function';
}
