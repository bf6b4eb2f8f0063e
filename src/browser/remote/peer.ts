/**
 * Two threads that call each other's objects: calls, streams of pieces, signals, functions given along, and errors with their class. What
 * an object's members are is said once, by its shape.
 */
import type { Importer } from './encode.ts';
import { createExports, ROOT } from './exports.ts';
import type { ServedObject } from './exports.ts';
import { createIncoming } from './incoming.ts';
import type { Message } from './messages.ts';
import { createOutgoing } from './outgoing.ts';
import { createRemoteObject } from './remote-object.ts';
import type { Remote, Shape } from './shape.ts';

/** A worker, the inside of one, or a `MessagePort`. */
export interface PeerPort {
  postMessage(message: unknown): void;
  // oxlint-disable-next-line typescript/no-explicit-any -- of a worker an event of messages, of a port of Node another class of it
  onmessage: ((event: any) => void) | null;
}

export interface Peer {
  /** What the other side serves. */
  root<Type, S extends Shape>(shape: S): Remote<Type, S>;
  /** Ends this side: all that waits, and all that is asked from now on, rejects with `error`. */
  end(error: Error): void;
}

/** @param served what the other side may call from the beginning; what that opens comes to it */
export function createPeer(port: PeerPort, served?: ServedObject): Peer {
  const post = (message: Message) => port.postMessage(message);
  const exports = createExports(post, served);
  const functionOf: Importer['importFunction'] =
    (id) =>
    (...args: unknown[]) => {
      const answer = outgoing.call({ target: id, name: '', args });
      // Whoever gives progress to a listener does not wait for it.
      answer.catch(() => {});
      return answer;
    };
  const piecesOf: Importer['importPieces'] = (id) => ({
    [Symbol.asyncIterator]: () => outgoing.stream({ target: id, name: '', args: [] }),
  });
  const importer: Importer = {
    importFunction: functionOf,
    importPieces: piecesOf,
    importSignal() {
      throw new Error('a signal is given to a call, and is no part of an answer');
    },
  };
  const outgoing = createOutgoing({ post, exports, importer });
  const incoming = createIncoming({ post, exports, functionOf, piecesOf });
  port.onmessage = ({ data }: { readonly data: Message }) => {
    if (!outgoing.receive(data)) incoming.receive(data);
  };
  return {
    root: <Type, S extends Shape>(shape: S) =>
      createRemoteObject({ target: ROOT, facts: {}, objects: {} }, shape, { outgoing, importer }) as Remote<Type, S>,
    end(error) {
      outgoing.end(error);
      incoming.end();
    },
  };
}
