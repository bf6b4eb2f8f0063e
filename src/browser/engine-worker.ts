/** The program of the engine's worker. A page starts it by `loadModel`. */
import { holdForLife } from './cache/web-lock.ts';
import type { EngineReady } from './engine-host.ts';
import { ENGINE_SHAPE } from './engine-shape.ts';
import { createPeer } from './remote/peer.ts';
import type { PeerPort } from './remote/peer.ts';
import { workerEngine } from './worker-engine.ts';

createPeer(globalThis as unknown as PeerPort, { value: workerEngine, shape: ENGINE_SHAPE });
void holdForLife('ingot-engine').then((lock) => postMessage({ type: 'ready', lock } satisfies EngineReady));
