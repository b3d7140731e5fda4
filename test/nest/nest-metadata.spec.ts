/** The literals of lib/nest/nest-metadata.ts are what Nest's decorators really write. */
import {
  Catch,
  createParamDecorator,
  Injectable,
  Scope,
  UseFilters,
  UsePipes,
  type ExceptionFilter,
  type PipeTransform,
} from '@nestjs/common';
import { Ack, ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { describe, expect, it } from '@jest/globals';
import {
  copyMetadata,
  exceptionFilters,
  filterCatches,
  gatewayOptions,
  gatewayPort,
  handlerParameters,
  isDefaultScope,
  isGateway,
  isMessageHandler,
  isWsParameter,
  methodPipes,
  NEST_METADATA,
  ownHandlerParameters,
  parameterTypes,
  setExceptionFilters,
  setHandlerParameters,
  setMethodPipes,
  setParameterTypes,
  unmarkMessageHandler,
} from '../../lib/nest/nest-metadata.js';

@Catch(TypeError, RangeError)
class SomeFilter implements ExceptionFilter {
  catch(): void {}
}

@Catch()
class EverythingFilter implements ExceptionFilter {
  catch(): void {}
}

@WebSocketGateway(8080, { namespace: 'chat', path: '/ws', pingInterval: 1 })
@UseFilters(SomeFilter, EverythingFilter)
class Gateway {
  @UseFilters(EverythingFilter)
  method(): void {}
}

@WebSocketGateway()
class PlainGateway {}

class ChildGateway extends Gateway {}

class NoGateway {}

describe('metadata of gateways', () => {
  it('has the keys that the decorators write', () => {
    expect(Reflect.getMetadataKeys(PlainGateway).toSorted()).toEqual(
      [NEST_METADATA.gateway, NEST_METADATA.gatewayPort, NEST_METADATA.gatewayOptions].toSorted(),
    );
    expect(Reflect.getMetadataKeys(Gateway.prototype.method)).toEqual([NEST_METADATA.exceptionFilters]);
    expect(Reflect.getMetadataKeys(SomeFilter)).toContain(NEST_METADATA.filterCatches);
  });

  it('tells gateways from other classes', () => {
    expect([Gateway, PlainGateway, ChildGateway, NoGateway].map(isGateway)).toEqual([true, true, true, false]);
  });

  it('gives port and options', () => {
    expect([gatewayPort(Gateway), gatewayPort(PlainGateway), gatewayPort(NoGateway)]).toEqual([8080, 0, 0]);
    expect(gatewayOptions(Gateway)).toEqual({ namespace: 'chat', path: '/ws', pingInterval: 1 });
    expect(gatewayOptions(PlainGateway)).toEqual({});
  });
});

describe('metadata of filters', () => {
  it('gives those of a class and of a method', () => {
    expect(exceptionFilters(Gateway)).toEqual([SomeFilter, EverythingFilter]);
    expect(exceptionFilters(Gateway.prototype.method)).toEqual([EverythingFilter]);
    expect(exceptionFilters(NoGateway)).toEqual([]);
  });

  it('gives what a filter catches', () => {
    expect(filterCatches(new SomeFilter())).toEqual([TypeError, RangeError]);
    expect(filterCatches(new EverythingFilter())).toEqual([]);
    expect(filterCatches({})).toEqual([]);
  });

  it('replaces those of one class only', () => {
    setExceptionFilters(ChildGateway, [EverythingFilter]);
    expect(exceptionFilters(ChildGateway)).toEqual([EverythingFilter]);
    expect(exceptionFilters(Gateway)).toEqual([SomeFilter, EverythingFilter]);
  });

  it('copies everything', () => {
    const copy = (): void => {};
    copyMetadata(Gateway.prototype.method, copy);
    expect(exceptionFilters(copy)).toEqual([EverythingFilter]);
  });
});

describe('the scope of a class', () => {
  it('is the default one unless a decorator names another', () => {
    @Injectable()
    class Plain {}
    @Injectable({ scope: Scope.DEFAULT })
    class Explicit {}
    @Injectable({ scope: Scope.REQUEST })
    class Scoped {}
    @Catch(TypeError)
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient {}
    expect([NoGateway, Plain, Explicit, Scoped, Transient].map(isDefaultScope)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(Reflect.getMetadataKeys(Scoped)).toContain(NEST_METADATA.injectableOptions);
  });
});

class SomePipe implements PipeTransform {
  transform(value: unknown): unknown {
    return value;
  }
}

const somePipe = new SomePipe();
const Custom = createParamDecorator((data: unknown) => data);

class Handlers {
  @UsePipes(SomePipe, somePipe)
  @SubscribeMessage('message')
  handle(
    @ConnectedSocket() _client: Gateway,
    @MessageBody('part', somePipe) _part: string,
    @Ack() _ack: NoGateway,
    @Custom('data', somePipe) _custom: number,
    @MessageBody({ schema: 'schema' as never, pipes: [SomePipe] }) _body: Gateway,
  ): void {}

  @SubscribeMessage('other')
  other(@MessageBody() _body: string, @ConnectedSocket() _client: Gateway): void {}

  inherited(@MessageBody() _body: string): void {}

  plain(_value: string): void {}
}

class ChildHandlers extends Handlers {
  override other(@Custom() _body: string, @Ack() _ack: Gateway): void {}
}

describe('metadata of handlers', () => {
  const { prototype } = Handlers;

  it('has the keys that the decorators write', () => {
    expect(Reflect.getMetadataKeys(prototype.handle).toSorted()).toEqual(
      [NEST_METADATA.messageHandler, NEST_METADATA.pipes, 'message'].toSorted(),
    );
    expect(Reflect.getMetadataKeys(Handlers, 'handle')).toEqual([NEST_METADATA.parameters]);
    expect(Reflect.getMetadataKeys(prototype, 'handle')).toContain(NEST_METADATA.parameterTypes);
    expect(Reflect.getMetadataKeys(prototype, 'plain')).toEqual([]);
  });

  it('tells handlers from other methods, until it is taken from them', () => {
    const copy = (): void => {};
    copyMetadata(prototype.handle, copy);
    expect([prototype.handle, copy, prototype.plain, undefined, 'handle'].map(isMessageHandler)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    unmarkMessageHandler(copy);
    expect([isMessageHandler(copy), isMessageHandler(prototype.handle)]).toEqual([false, true]);
  });

  it('gives the pipes of a method, and replaces them', () => {
    const copy = (): void => {};
    copyMetadata(prototype.handle, copy);
    expect(methodPipes(copy)).toEqual([SomePipe, somePipe]);
    expect(methodPipes(prototype.plain)).toEqual([]);
    setMethodPipes(copy, [SomePipe]);
    expect([methodPipes(copy), methodPipes(prototype.handle)]).toEqual([[SomePipe], [SomePipe, somePipe]]);
  });

  it('gives parameters by kind and place, with their pipes', () => {
    const parameters = handlerParameters(prototype, 'handle');
    const kinds = (['socket', 'payload', 'ack'] as const).map((kind) =>
      Object.entries(parameters)
        .filter(([name]) => isWsParameter(name, kind))
        .map(([, { index, pipes }]) => [index, pipes]),
    );
    expect(kinds).toEqual([
      [[0, []]],
      [
        [4, [SomePipe]],
        [1, [somePipe]],
      ],
      [[2, []]],
    ]);
    const names = Object.keys(parameters).map((name) => name.replace(/^[^:]+(__customRouteArgs__)/, '$1'));
    expect(names.toSorted()).toEqual(['0:0', '13:2', '3:1', '3:4', '__customRouteArgs__:3']);
    expect(handlerParameters(prototype, 'plain')).toEqual({});
  });

  it('tells the parameters of a method from those of the one that it overrides', () => {
    const places = (parameters: object): string[] =>
      Object.keys(parameters).map((name) => name.replace(/^.*_:/, 'custom:'));
    const { prototype: child } = ChildHandlers;
    expect(places(handlerParameters(child, 'inherited'))).toEqual(['3:0']);
    expect(places(ownHandlerParameters(child, 'inherited'))).toEqual([]);
    expect(places(ownHandlerParameters(prototype, 'inherited'))).toEqual(['3:0']);
    expect(places(ownHandlerParameters(child, 'other')).toSorted()).toEqual(['13:1', 'custom:0']);
    expect(places(handlerParameters(child, 'other'))).toContain('0:1');
  });

  it('gives the types of parameters, and replaces them', () => {
    expect(parameterTypes(prototype, 'handle')).toEqual([Gateway, String, NoGateway, Number, Gateway]);
    expect(parameterTypes(prototype, 'plain')).toBeUndefined();
    setParameterTypes(prototype, 'copy', [Gateway]);
    setParameterTypes(prototype, 'nothing', undefined);
    setHandlerParameters(prototype, 'copy', { '3:0': { index: 0 } });
    expect(parameterTypes(prototype, 'copy')).toEqual([Gateway]);
    expect(Reflect.hasMetadata(NEST_METADATA.parameterTypes, prototype, 'nothing')).toBe(false);
    expect(Reflect.getMetadata('__routeArguments__', Handlers, 'copy')).toEqual({ '3:0': { index: 0 } });
  });
});
