/** The data of server-sent events, parsed, as they come; `[DONE]` ends them. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (rest + decoder.decode(value, { stream: true })).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) {
        if (event === 'data: [DONE]') return;
        if (event.startsWith('data: ')) yield JSON.parse(event.slice('data: '.length));
      }
    }
  } finally {
    // Whoever leaves the loop lets the server know by closing the stream.
    await reader.cancel().catch(() => {});
  }
}
