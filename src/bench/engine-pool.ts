import type { EngineSettings } from './engine.ts';
import { startEngine } from './engine-client.ts';
import type { EngineClient } from './engine-client.ts';

/** Engines that stay open between tasks, each with its settings in a process of its own. */
export interface EnginePool {
  open(name: string, settings: EngineSettings): Promise<EngineClient>;
  /** Closes those that no later task names. */
  keepOnly(wanted: readonly (readonly [name: string, settings: EngineSettings])[]): Promise<void>;
  closeAll(): Promise<void>;
}

const keyOf = (name: string, settings: EngineSettings) => `${name} ${JSON.stringify(settings)}`;

export function createEnginePool(signal: AbortSignal): EnginePool {
  const open = new Map<string, Promise<EngineClient>>();
  const close = async (key: string) => {
    const engine = await open.get(key)?.catch(() => undefined);
    open.delete(key);
    // One that was killed has nothing more to say.
    await engine?.close().catch(() => {});
  };
  return {
    open(name, settings) {
      const key = keyOf(name, settings);
      const present = open.get(key);
      if (present !== undefined) return present;
      const started = startEngine(name, settings, { signal });
      open.set(key, started);
      // A failed start is for its caller to tell; another try starts another process.
      started.catch(() => open.delete(key));
      return started;
    },
    async keepOnly(wanted) {
      const keys = new Set(wanted.map(([name, settings]) => keyOf(name, settings)));
      for (const key of open.keys()) if (!keys.has(key)) await close(key);
    },
    async closeAll() {
      await Promise.all([...open.keys()].map(close));
    },
  };
}
