/** The program of the engine's worker. A page starts it by `loadModel`. */
import { createPeer } from './remote/peer.ts';
import type { PeerPort } from './remote/peer.ts';
import { ENGINE_SHAPE } from './engine-shape.ts';
import { workerEngine } from './worker-engine.ts';

createPeer(globalThis as unknown as PeerPort, { value: workerEngine, shape: ENGINE_SHAPE });
postMessage('ready');
