/**
 * What Chromium sends with the requests of a page from the server's own origin, beside Host, Cookie and what belongs to a
 * method. Servers read it for each poll and each POST, so clients without WebSocket cannot be measured without it.
 */
const AGENT =
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\n';

const LANGUAGES = 'Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n';

const HINTS =
  'sec-ch-ua-platform: "Linux"\r\n' +
  AGENT +
  'sec-ch-ua: "Chromium";v="141", "Not?A_Brand";v="8"\r\n' +
  'sec-ch-ua-mobile: ?0\r\n' +
  'Accept: */*\r\n';

const FETCH = 'Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n';

/** Header lines of a request by `fetch` or XMLHttpRequest. */
export function headersOfRequest(method, port) {
  const origin = method === 'POST' ? `Origin: http://127.0.0.1:${port}\r\n` : '';
  return `Connection: keep-alive\r\n${HINTS}${origin}${FETCH}Referer: http://127.0.0.1:${port}/\r\n${LANGUAGES}`;
}

/** Header lines of a WebSocket handshake. */
export function headersOfWebSocket(port) {
  return (
    `Pragma: no-cache\r\nCache-Control: no-cache\r\n${AGENT}Origin: http://127.0.0.1:${port}\r\n${LANGUAGES}` +
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n'
  );
}
