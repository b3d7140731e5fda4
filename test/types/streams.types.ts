/** What a stream method may look like, as far as the compiler can tell. Nothing here is run. */
import { ParseIntPipe, ValidationPipe, type PipeTransform } from '@nestjs/common';
import { ConnectedSocket, type WsResponse } from '@nestjs/websockets';
import {
  MessageStream,
  SubscribeStream,
  type Incoming,
  type MessageStreamOptions,
  type Outgoing,
  type Socket,
  type StreamOptions,
} from 'nestwire';
import type { Observable, Subject } from 'rxjs';

class Point {
  x!: number;
  y!: number;
}

class Color {
  name!: string;
}

class Point3d extends Point {
  z!: number;
}

interface ClientEvents {
  point(point: Point): void;
  clear(): void;
}

interface ServerEvents {
  points(points: Point[]): void;
  color(color: Color): void;
}

const schema = {} as Required<MessageStreamOptions<Point>>['schema'];
const pipe = {} as PipeTransform;

export class Parameters {
  // what a stream may be given as

  @SubscribeStream('point')
  named(@MessageStream(Point) _point$: Observable<Point>): void {}
  @SubscribeStream('point')
  withPipes(@MessageStream(Point, ValidationPipe, pipe) _point$: Observable<Point>): void {}
  @SubscribeStream('point', { scope: 'gateway' })
  incoming(@MessageStream(Point) _point$: Observable<Incoming<Point>>): void {}
  @SubscribeStream('point', { ack: 'manual' })
  manual(@MessageStream(Point) _point$: Observable<Incoming<Point>>, @ConnectedSocket() _client: Socket): void {}
  @SubscribeStream('point')
  wider(@MessageStream(Point3d) _point$: Observable<Point>): void {}
  @SubscribeStream('point')
  partOf(@MessageStream(Point) _point$: Observable<Pick<Point, 'x'>>): void {}
  @SubscribeStream('point')
  unknown(@MessageStream(Point) _point$: Observable<unknown>): void {}
  @SubscribeStream('point')
  untyped(@MessageStream(Point) _point$: any): void {}
  @SubscribeStream('point')
  anything(@MessageStream() _point$: Observable<Point>): void {}
  @SubscribeStream('point')
  onlyPipes(@MessageStream(ParseIntPipe, pipe) _number$: Observable<number>): void {}
  @SubscribeStream('point')
  ofSchema(@MessageStream({ schema, pipes: [pipe] }) _point$: Observable<Point>): void {}
  @SubscribeStream('point')
  primitive(@MessageStream(String) _word$: Observable<string>): void {}
  @SubscribeStream('point')
  primitives(@MessageStream(Number, ParseIntPipe) _number$: Observable<Incoming<number>>): void {}
  @SubscribeStream('point')
  yesOrNo(@MessageStream(Boolean) _boolean$: Observable<boolean>): void {}
  @SubscribeStream('point')
  protected second(@ConnectedSocket() _client: Socket, @MessageStream(Point) _point$: Observable<Point>): void {}

  // and what not

  @SubscribeStream('point')
  // @ts-expect-error another class
  otherClass(@MessageStream(Color) _point$: Observable<Point>): void {}
  @SubscribeStream('point')
  // @ts-expect-error less than the parameter promises
  narrower(@MessageStream(Point) _point$: Observable<Point3d>): void {}
  @SubscribeStream('point')
  // @ts-expect-error another class in Incoming
  otherIncoming(@MessageStream(Color) _point$: Observable<Incoming<Point>>): void {}
  @SubscribeStream('point')
  // @ts-expect-error another type
  otherPrimitive(@MessageStream(Number) _word$: Observable<string>): void {}
  @SubscribeStream('point')
  // @ts-expect-error a schema of something else
  otherSchema(@MessageStream({ schema }) _color$: Observable<Color>): void {}
  @SubscribeStream('point')
  // @ts-expect-error the stream, not one message
  noStream(@MessageStream(Point) _point: Point): void {}
  @SubscribeStream('point')
  // @ts-expect-error an Observable is no Promise
  promise(@MessageStream(Point) _point: Promise<Point>): void {}
  @SubscribeStream('point')
  // @ts-expect-error nor a Subject
  subject(@MessageStream(Point) _point: Subject<Point>): void {}
  @SubscribeStream('point')
  // @ts-expect-error nor an array of messages
  array(@MessageStream(Point) _points: Point[]): void {}
  @SubscribeStream('point')
  // @ts-expect-error of the second parameter, too
  another(@ConnectedSocket() _client: Socket, @MessageStream(Color) _point$: Observable<Point>): void {}

  // @ts-expect-error a value is no type
  @SubscribeStream('point') value(@MessageStream(5) _point$: any): void {}
  // @ts-expect-error what stands behind the type is pipes
  @SubscribeStream('point') noPipe(@MessageStream(Point, Color) _point$: any): void {}
  // @ts-expect-error no such option
  @SubscribeStream('point') noOption(@MessageStream({ schemas: schema }) _point$: any): void {}
}

export class Returns {
  @SubscribeStream('point')
  nothing(@MessageStream() _point$: Observable<Point>): void {}
  @SubscribeStream('point')
  stream(@MessageStream() point$: Observable<Point>): Observable<Point> {
    return point$;
  }
  @SubscribeStream('point')
  response(@MessageStream() point$: any): Observable<WsResponse<Point>> {
    return point$;
  }
  @SubscribeStream('point')
  outgoing(@MessageStream() point$: any): Observable<Outgoing<ServerEvents>> {
    return point$;
  }
  @SubscribeStream('point')
  async promise(@MessageStream() point$: Observable<Point>): Promise<Observable<Point>> {
    return point$;
  }
  @SubscribeStream('point')
  async later(@MessageStream() _point$: Observable<Point>): Promise<void> {}
  @SubscribeStream('point')
  either(@MessageStream() point$: Observable<Point>): Observable<Point> | void {
    if (point$) return point$;
  }

  // @ts-expect-error a value is not sent
  @SubscribeStream('point')
  number(@MessageStream() _point$: Observable<Point>): number {
    return 1;
  }
  // @ts-expect-error nor one that comes later
  @SubscribeStream('point')
  async numberLater(@MessageStream() _point$: Observable<Point>): Promise<number> {
    return 1;
  }
  // @ts-expect-error nor one message for the whole stream
  @SubscribeStream('point')
  responseAlone(@MessageStream() _point$: Observable<Point>): WsResponse<number> {
    return { event: 'point', data: 1 };
  }
  // @ts-expect-error a subscription is the method's own
  @SubscribeStream('point')
  subscription(@MessageStream() point$: Observable<Point>): object {
    return point$.subscribe();
  }
  // @ts-expect-error a field is no method
  @SubscribeStream('point')
  field = 1;
  @SubscribeStream('point')
  otherData(@MessageStream() _point$: any): Observable<Outgoing<ServerEvents>> {
    // @ts-expect-error data of another event
    return {} as Observable<{ event: 'points'; data: Color }>;
  }
}

export class Events {
  @SubscribeStream<ClientEvents>('point')
  point(@MessageStream(Point) _point$: Observable<Point>): void {}
  @SubscribeStream<ClientEvents>('clear', { scope: 'gateway' })
  clear(@MessageStream() _clear$: Observable<Incoming<void>>): void {}

  // @ts-expect-error not an event of clients
  @SubscribeStream<ClientEvents>('points')
  points(@MessageStream(Point) _point$: Observable<Point>): void {}
  // @ts-expect-error a name is text
  @SubscribeStream(5)
  number(@MessageStream(Point) _point$: Observable<Point>): void {}
}

export const options: StreamOptions[] = [
  { scope: 'gateway', cluster: true },
  { queue: { limit: 5 }, slowReaders: { bytes: 1, policy: 'latest' }, restart: { delay: 1 } },
  // @ts-expect-error no such scope
  { scope: 'server' },
  // @ts-expect-error no such policy
  { queue: { overflow: 'drop' } },
  // @ts-expect-error both or none
  { slowReaders: { bytes: 1 } },
  // @ts-expect-error no such option
  { ordering: 'client' },
];
