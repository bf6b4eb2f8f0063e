/**
 * Server-sent events whose data are JSON, as OpenAI's streams have them: lines that end in CR, LF or both, `data` of several lines joined,
 * comments and other fields passed over (https://html.spec.whatwg.org/multipage/server-sent-events.html). One reader for the app and for
 * the AI SDK's provider.
 */

/** A `ReadableStream` of bytes, as far as it is read. */
export interface ByteStream {
  getReader(): { read(): Promise<{ readonly value?: Uint8Array | undefined }>; cancel(): Promise<void> };
}

const END = '[DONE]';

/** The data of the events that end in some lines, and the lines behind the last of them. */
function eventsOf(lines: readonly string[]): { readonly events: readonly string[]; readonly rest: readonly string[] } {
  const events: string[] = [];
  let rest: string[] = [];
  for (const line of lines) {
    if (line !== '') rest.push(line);
    else {
      const data = rest.filter((one) => one.startsWith('data:')).map((one) => one.slice('data:'.length).replace(/^ /, ''));
      if (data.length > 0) events.push(data.join('\n'));
      rest = [];
    }
  }
  return { events, rest };
}

/**
 * The data of each event, parsed, up to `[DONE]`. An event that its stream breaks off within is none. Leaving the loop ends the request.
 * @throws SyntaxError for data that are no JSON; what reading throws
 */
export async function* eventData(body: ByteStream): AsyncGenerator<unknown, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let open: readonly string[] = [];
  let text = '';
  try {
    for (;;) {
      const { value } = await reader.read();
      if (value === undefined) return;
      text += decoder.decode(value, { stream: true });
      // A CR at the end may be half of an end of line.
      const whole = text.endsWith('\r') ? text.slice(0, -1) : text;
      const lines = whole.split(/\r\n|\r|\n/);
      text = lines.pop()! + text.slice(whole.length);
      const { events, rest } = eventsOf([...open, ...lines]);
      open = rest;
      for (const event of events) {
        if (event === END) return;
        yield JSON.parse(event);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
