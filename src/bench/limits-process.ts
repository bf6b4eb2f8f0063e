/** Measures a device in a process of its own, so that it holds nothing while engines run. Argument: what to measure, as JSON. */
import { measureLimits } from './device-limits.ts';
import { serveParent } from './serve-parent.ts';

await serveParent(async () => ({
  ready: await measureLimits(JSON.parse(process.argv[2]!) as Parameters<typeof measureLimits>[0]),
  methods: {},
}));
