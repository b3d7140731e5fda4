/**
 * What streaming transports put around payloads. `split(bytes, take)` calls `take(kind, payload)` for each complete part, kind
 * being `frame` (counted by resume), `skip` or `end` (the response has come to its planned end), and answers how many bytes it
 * has used; the rest comes again with the next bytes.
 */

const SSE_END = Buffer.from('\n\n');
const D = 'd'.charCodeAt(0);

/** Server-sent events: `data: ` and a payload. */
export const SSE = {
  split(bytes, take) {
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(SSE_END, at);
      if (end === -1) return at;
      if (bytes[at] === D) take('frame', bytes.subarray(at + 6, end));
      else take(bytes.latin1Slice(at, end).startsWith('event: end') ? 'end' : 'skip', bytes.subarray(at, end));
      at = end + 2;
    }
  },
};

const CR = '\r'.charCodeAt(0);
const PART = '--nestwire\r\n';
const LENGTH = 'Content-Length: ';
const BLANK = Buffer.from('\r\n\r\n');

/** Parts of `multipart/x-mixed-replace`, read by their length. */
export const MULTIPART = {
  split(bytes, take) {
    let at = 0;
    if (bytes[0] === CR) {
      // the empty line at the beginning
      if (bytes.length < 2) return 0;
      at = 2;
    }
    for (;;) {
      const end = bytes.indexOf(BLANK, at);
      if (end === -1) {
        if (bytes.toString('latin1', at, at + 12) !== '--nestwire--') return at;
        take('end', bytes.subarray(at));
        return bytes.length;
      }
      const head = bytes.latin1Slice(at, end);
      const length = Number.parseInt(head.slice(head.indexOf(LENGTH) + LENGTH.length), 10);
      const start = end + 4;
      if (!head.startsWith(PART) || Number.isNaN(length)) throw new Error(`no part: ${head}`);
      if (bytes.length < start + length + 2) return at;
      const isFrame = !head.includes('text/x-nestwire-seq');
      take(isFrame ? 'frame' : 'skip', bytes.subarray(start, start + length));
      at = start + length + 2;
    }
  },
};

const ELEMENT = Buffer.from('<wbr data-');
const ELEMENT_END = Buffer.from("'>");
const PRELUDE_END = Buffer.from('</script>');
const FRAME_START = "<wbr data-f='[".length;

/** Elements of a document that does not end: `<wbr data-f='["…","…"]'>`, behind a script. */
export const HTMLFILE = {
  split(bytes, take) {
    let at = 0;
    for (;;) {
      const isElement = bytes.subarray(at, at + ELEMENT.length).equals(ELEMENT);
      const mark = isElement ? ELEMENT_END : PRELUDE_END;
      const end = bytes.indexOf(mark, at);
      if (end === -1) return at;
      const kind = isElement ? String.fromCharCode(bytes[at + ELEMENT.length]) : 'n';
      if (kind === 'f') take('frame', bytes.subarray(at + FRAME_START, end - 1));
      else take(kind === 'e' ? 'end' : 'skip', bytes.subarray(at, end));
      at = end + mark.length;
    }
  },
};

const A = 'a'.charCodeAt(0);

/** Lines of SockJS: `o`, `h`, `a["…","…"]`, and a prelude of `h`s. */
export const SOCKJS = {
  split(bytes, take) {
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(10, at);
      if (end === -1) return at;
      if (bytes[at] === A) take('frame', bytes.subarray(at + 2, end - 1));
      else take('skip', bytes.subarray(at, end));
      at = end + 1;
    }
  },
};
