/** The literals of lib/nest/nest-metadata.ts are what Nest's decorators really write. */
import { Catch, Injectable, Scope, UseFilters, type ExceptionFilter } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import { describe, expect, it } from '@jest/globals';
import {
  copyMetadata,
  exceptionFilters,
  filterCatches,
  gatewayOptions,
  gatewayPort,
  isDefaultScope,
  isGateway,
  NEST_METADATA,
  setExceptionFilters,
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
