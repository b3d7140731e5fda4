import { describe, expect, it } from '@jest/globals';
import { runInNewContext } from 'node:vm';
import { codecFor } from '../../../lib/engine/protocol/codec.js';
import { fromForm, namesCallback, toScript } from '../../../lib/engine/transports/jsonp.js';
import { PollingTransport } from '../../../lib/engine/transports/polling.js';
import { SCRIPT } from '../../support/wire-forms.js';
import { FakeRequest, FakeResponse, fakeHost, RecordingSink } from '../support.js';

describe('the script of JSONP', () => {
  it.each<[string, string, string]>([
    ['a payload', '4a\x1e4b', '/**/___eio[7]("4a\\u001e4b");'],
    ['nothing', '', '/**/___eio[7]("");'],
    ['quotes and backslashes', '4"\\', '/**/___eio[7]("4\\"\\\\");'],
    ['line separators', '4\u2028\u2029\n', '/**/___eio[7]("4\\u2028\\u2029\\n");'],
    ['markup', '4</script><!--', '/**/___eio[7]("4\\u003c/script\\u003e\\u003c!--");'],
    ['a lone surrogate', '4\ud83d', '/**/___eio[7]("4\\ud83d");'],
  ])('calls with %s', (_what, payload, script) => {
    expect(toScript('7', payload)).toBe(script);
    // as a browser runs it
    const got: string[] = [];
    runInNewContext(script, { ___eio: { 7: (text: string) => got.push(text) } });
    expect(got).toEqual([payload]);
  });

  it.each(['0', '7', '1234567890'])('has the callback %s', (j) => {
    expect(namesCallback(new FakeRequest('GET', {}, { j }))).toBe(true);
  });

  it.each(['', 'alert(1)', '1x', '-1', '1.5', '1e3', ' 1', '1\n', '٣', '12345678901', '0]("x");alert(1);//'])(
    'has no callback %j',
    (j) => expect(namesCallback(new FakeRequest('GET', {}, { j }))).toBe(false),
  );
});

describe('the form of JSONP', () => {
  it.each<[string, string, string]>([
    ['a payload', 'd=4a%1E4b', '4a\x1e4b'],
    ['blanks', 'd=4a+b%20c%2B', '4a b c+'],
    ['a line feed', 'd=4a%5Cnb', '4a\nb'],
    ['a backslash and an n', 'd=4a%5C%5Cnb', '4a\\nb'],
    ['two backslashes and an n', 'd=4a%5C%5C%5Cnb', '4a\\\\nb'],
    ['nothing', 'd=', ''],
    ['other fields behind it', 'd=4a&x=y&d=4b', '4a'],
    ['UTF-8', 'd=4%E2%82%AC', '4€'],
  ])('holds %s', (_what, body, payload) => {
    expect(fromForm(body)).toBe(payload);
  });

  it.each(['', '4a', 'x=1', 'x=1&d=4a', 'd', 'd=%', 'd=%E2%82', 'd=%zz', 'd=%C0%80'])('is none: %j', (body) => {
    expect(fromForm(body)).toBeNull();
  });

  it('carries whatever a client escapes', () => {
    for (const text of ['\\', '\\n', '\\\\n', '\\\\\\n', '\n', '\n\\n\\\\', '4{"a":"x\\ny"}', '&d=+%']) {
      expect(fromForm(String(SCRIPT.request(text).body))).toBe(text);
    }
  });

  it('is read in time that grows with its length', () => {
    // a million of what the escapes are made of: hours, if they were tried from each place to the end
    expect(fromForm(`d=${'\\'.repeat(1_000_000)}`)).toHaveLength(1_000_000);
    expect(fromForm(`d=&${'a&'.repeat(500_000)}`)).toBe('');
  });
});

describe.each([3, 4] as const)('PollingTransport by JSONP, revision %d', (version) => {
  const payload = (text: string) => (version === 4 ? text : `${text.length}:${text}`);

  function setUp(query: Record<string, string> = { j: '3' }, supportsBinary = true) {
    const sink = new RecordingSink();
    const transport = new PollingTransport('polling', {
      host: fakeHost(),
      codec: codecFor(version),
      supportsBinary,
      sink,
    });
    const send = (method: string, body?: string, asked = query) => {
      const response = new FakeResponse();
      const request = new FakeRequest(method, {}, asked);
      transport.handleRequest(request, response);
      if (body !== undefined && !response.writableEnded) request.body(body);
      return response;
    };
    return { transport, sink, send };
  }

  it('answers a poll with a script', () => {
    const { transport, send } = setUp();
    const poll = send('GET');
    transport.send([{ type: 'message', data: 'a' }]);
    expect(poll.text).toBe(`/**/___eio[3](${JSON.stringify(payload('4a'))});`);
    expect(poll.headers).toMatchObject({
      'Content-Type': 'text/javascript; charset=UTF-8',
      'X-Content-Type-Options': 'nosniff',
      'Content-Length': poll.text.length,
    });
  });

  it('writes binary as text, whatever else the client can take', () => {
    const { transport, send } = setUp();
    const poll = send('GET');
    transport.send([{ type: 'message', data: Buffer.from([1, 2, 3]) }]);
    expect(poll.text).toContain(version === 4 ? 'bAQID' : 'b4AQID');
  });

  it('takes a form, and answers it as a document', () => {
    const { sink, send } = setUp();
    const answer = send('POST', `d=${encodeURIComponent(payload('4a'))}`);
    expect(sink.packets).toEqual([{ type: 'message', data: 'a' }]);
    expect(answer).toMatchObject({ status: 200, text: 'ok', headers: { 'Content-Type': 'text/html' } });
  });

  it('lets each request have the form that it asks for', () => {
    const { transport, sink, send } = setUp();
    const poll = send('GET', undefined, {});
    transport.send([{ type: 'message', data: 'a' }]);
    expect(poll.text).toBe(payload('4a'));
    expect(poll.headers['Content-Type']).toBe('text/plain; charset=UTF-8');
    send('POST', payload('4b'), {});
    send('POST', `d=${payload('4c')}`);
    expect(sink.packets.map(({ data }) => data)).toEqual(['b', 'c']);
  });

  it.each(['4a', 'd=%', 'x=4a'])('ends the session by a form that cannot be read: %s', (body) => {
    const { sink, send } = setUp();
    expect(send('POST', body).status).toBe(400);
    expect(sink.packets.map(({ type }) => type)).toEqual(['error']);
  });
});
