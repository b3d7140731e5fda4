/** The figures that scenarios have in common: `key` in the samples, `title` of the column, digits after the point. */

export const CPU = { key: 'cpu', title: 'µs CPU', digits: 1 };
export const KERNEL = { key: 'kernel', title: 'of it kernel', digits: 1 };
export const RATE = { key: 'rate', title: 'messages/s', digits: 0 };
export const SERVER_BUSY = { key: 'serverBusy', title: 'server busy', digits: 2 };
export const LOAD_BUSY = { key: 'loadBusy', title: 'load busy', digits: 2 };
export const P50 = { key: 'p50', title: 'ms, median', digits: 2 };
export const P99 = { key: 'p99', title: 'ms, 99 %', digits: 2 };
export const LAST = { key: 'last', title: 'ms to the last', digits: 2 };

/** Of what keeps a server busy. */
export const THROUGHPUT = [CPU, KERNEL, RATE, SERVER_BUSY, LOAD_BUSY];
/** Of what comes at a pace. */
export const PUSH = [CPU, KERNEL, P50, P99, SERVER_BUSY, LOAD_BUSY];
