/**
 * Why a session ended. These are socket.io's own strings and an interface of their own: connection state recovery keeps
 * a session only for some of them, so none is invented here; detail goes into the description that follows the reason.
 *
 * | reason | meaning | recoverable |
 * |---|---|---|
 * | `transport close` | the connection ended, or the client said goodbye | yes |
 * | `transport error` | the connection failed, or the client broke the protocol of its transport | yes |
 * | `ping timeout` | no heartbeat in time | yes |
 * | `forced close` | the server closed it | yes |
 * | `parse error` | bytes that are not a packet | no |
 */
export type CloseReason = 'transport close' | 'transport error' | 'ping timeout' | 'forced close' | 'parse error';
