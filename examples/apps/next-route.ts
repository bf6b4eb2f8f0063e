// A route of Next.js: app/api/chat/route.ts. In next.config.js: serverExternalPackages: ['ingot'], so that its files stay where they are.
import { bundledModelPath, loadModel } from 'ingot';
import type { ChatMessage, Model } from 'ingot';

export const runtime = 'nodejs';
export const dynamic = 'force-dynamic';

/** One model for all requests, also where Next.js loads this module again while you edit. */
const kept = globalThis as { ingotModel?: Promise<Model> };
const modelOnce = (): Promise<Model> => (kept.ingotModel ??= loadModel(process.env['CHAT_MODEL'] ?? bundledModelPath()));

/** Takes `{ messages }`, streams the answer's text. */
export async function POST(request: Request): Promise<Response> {
  const { messages } = (await request.json()) as { messages: ChatMessage[] };
  const model = await modelOnce();
  const pieces = model.generate({ messages, reasoning: false, maxTokens: 256, signal: request.signal });
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value.text));
    },
    async cancel() {
      await pieces.return?.();
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/plain; charset=utf-8' } });
}
