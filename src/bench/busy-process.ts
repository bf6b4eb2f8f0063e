/** Keeps cores, or the GPU, at work until its parent lets go. Argument: what, as JSON. */
import { beginBusyWork } from './busy-work.ts';
import { serveParent } from './serve-parent.ts';

await serveParent(async () => {
  await beginBusyWork(JSON.parse(process.argv[2]!) as Parameters<typeof beginBusyWork>[0]);
  return { ready: null, methods: {} };
});
