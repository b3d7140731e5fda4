export { blockingProxy, type BlockingProxyOptions } from './blocking-proxy.js';
export { bufferingProxy, type BufferingProxy, type BufferingProxyOptions } from './buffering-proxy.js';
export { cuttingProxy, type CuttingProxy, type CuttingProxyOptions } from './cutting-proxy.js';
export { FakeEmitter, fakeEmitter, type FakeEmitterOptions, type SentEvent } from './fake-emitter.js';
export { slowProxy, type SlowProxyOptions } from './slow-proxy.js';
export type { ProxyOptions, TestProxy } from './proxy.js';
export type { FakeClient, Sent } from './recording-adapter.js';
export { TestClient, type ReceivedEvent, type TestClientOptions, type TestTransportName } from './test-client.js';
