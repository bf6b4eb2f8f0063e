// A chat page with Hono: the browser posts the conversation, the answer streams back as plain text. node hono-chat.mjs [MODEL]
import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { streamText } from 'hono/streaming';
import { bundledModelPath, loadModel } from 'ingot';

const PAGE = `<!doctype html><meta charset="utf-8"><title>A chat</title><pre id="log"></pre><form><input name="text" autofocus></form>
<script>
const messages = [];
document.forms[0].onsubmit = async (event) => {
  event.preventDefault();
  const input = event.target.text;
  messages.push({ role: 'user', content: input.value });
  log.textContent += '\\n> ' + input.value + '\\n';
  input.value = '';
  const { body } = await fetch('/chat', { method: 'POST', body: JSON.stringify(messages) });
  let content = '';
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    content += text;
    log.textContent += text;
  }
  messages.push({ role: 'assistant', content });
};
</script>`;

/** @param model as loadModel gives it; requests that come at the same time share its steps */
export function chatApp(model) {
  const app = new Hono();
  app.get('/', (context) => context.html(PAGE));
  app.post('/chat', async (context) => {
    const messages = await context.req.json();
    return streamText(context, async (stream) => {
      // A reader that has left ends the answer.
      for await (const piece of model.generate({ messages, reasoning: false, maxTokens: 256, signal: context.req.raw.signal }))
        if (piece.text !== '') await stream.write(piece.text);
    });
  });
  return app;
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href) {
  const model = await loadModel(argv[2] ?? bundledModelPath());
  serve({ fetch: chatApp(model).fetch, port: 3000 }, ({ port }) => console.log(`http://127.0.0.1:${port}`));
}
