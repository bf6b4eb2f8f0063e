/** WebSockets of a port: what the server answers a request for one with, and `ws` between both. */
import { STATUS_CODES } from 'node:http';
import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import type { Server, ServerSocket, ServerUpgrade } from '../../server/api.ts';

export interface WebSocketOptions {
  readonly upgrade: (request: Request) => Promise<ServerUpgrade>;
  /** Most bytes of a message; the socket is closed with 1009 beyond. */
  readonly messageBytes: number;
  /** Milliseconds between two pings: a socket that answers none until the next is ended. Default 30,000. */
  readonly pingMs?: number | undefined;
  /** Undefined: the request's own; else what it is refused with before the server is asked. */
  readonly refuse: (incoming: IncomingMessage) => Response | undefined;
  readonly isSecure: boolean;
}

const PING_MS = 30_000;

export type UpgradingServer = Pick<Server, 'upgrade' | 'messageBytes'>;

/** Listens for upgrades of a server; its sockets are ended with its connections. */
export function acceptWebSockets(server: HttpServer, options: WebSocketOptions): void {
  let chosen: string | undefined;
  const sockets = new WebSocketServer({
    noServer: true, maxPayload: options.messageBytes, perMessageDeflate: false, clientTracking: false,
    handleProtocols: () => chosen ?? false,
  });
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    // A client that leaves in the middle is no error of the process.
    socket.on('error', () => socket.destroy());
    if (incoming.headers.upgrade?.toLowerCase() !== 'websocket') return passOn(server, { incoming, socket, head });
    const waiting = watch(socket);
    void accept({ incoming, socket, options, signal: waiting.signal }).then((upgrade) => {
      const early = waiting.end();
      if (upgrade === undefined) return;
      if (socket.destroyed || waiting.signal.aborted) {
        socket.destroy();
        return upgrade.abandon();
      }
      chosen = upgrade.protocol;
      let isOpen = false;
      socket.once('close', () => {
        if (!isOpen) upgrade.abandon();
      });
      // Calls back at once, unless the request is no right one of the protocol: then it has answered, and closes.
      sockets.handleUpgrade(incoming, socket, Buffer.concat([head, ...early]), (opened) => {
        isOpen = true;
        attach(opened, upgrade, options);
        // It was paused, and does not read by itself.
        socket.resume();
      });
    });
  });
}

/** Bytes that a client may send before it was answered. */
const MOST_EARLY = 65_536;

/** Reads on while a request waits for its answer, so that a client that leaves is noticed. @returns `end` gives what was read */
function watch(socket: Duplex): { readonly signal: AbortSignal; end(): Buffer[] } {
  const left = new AbortController();
  const early: Buffer[] = [];
  let length = 0;
  const onLeft = () => left.abort();
  const onData = (data: Buffer) => {
    early.push(data);
    length += data.length;
    if (length > MOST_EARLY) socket.destroy();
  };
  socket.on('data', onData).once('end', onLeft).once('close', onLeft);
  return {
    signal: left.signal,
    end() {
      socket.pause();
      socket.off('data', onData).off('end', onLeft).off('close', onLeft);
      return early;
    },
  };
}

interface Asked {
  readonly incoming: IncomingMessage;
  readonly socket: Duplex;
  readonly options: WebSocketOptions;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

type Accepted = Exclude<ServerUpgrade, { readonly response: unknown }>;

/** @returns undefined where it was refused, and answered */
async function accept({ incoming, socket, options, signal }: Asked): Promise<Accepted | undefined> {
  try {
    const refused = options.refuse(incoming);
    const upgrade = refused === undefined ? await options.upgrade(requestOf(incoming, { ...options, signal })) : { response: refused };
    if (!('response' in upgrade)) return upgrade;
    await answer(socket, upgrade.response as Response);
  } catch {
    socket.destroy();
  }
  return undefined;
}

const OF_UPGRADE = ['upgrade', 'connection', 'http2-settings'];

/**
 * A request that offers another protocol, as Java's client does HTTP/2, is answered as if it did not: its head goes back in front of what
 * came behind it, without the offer.
 */
function passOn(
  server: HttpServer, { incoming, socket, head }: { readonly incoming: IncomingMessage; readonly socket: Duplex; readonly head: Buffer },
): void {
  const { method, url, rawHeaders } = incoming;
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (!OF_UPGRADE.includes(rawHeaders[at]!.toLowerCase())) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket);
}

function requestOf(
  { headers, url = '/' }: IncomingMessage, { isSecure, signal }: { readonly isSecure: boolean; readonly signal: AbortSignal },
): Request {
  const given = new Headers();
  for (const [name, value] of Object.entries(headers))
    for (const one of Array.isArray(value) ? value : [value ?? '']) given.append(name, one);
  return new Request(`${isSecure ? 'https' : 'http'}://${headers.host ?? 'localhost'}${url}`, { headers: given, signal });
}

/** A refusal as HTTP/1.1 has it; the connection ends with it. */
async function answer(socket: Duplex, response: Response): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer());
  const head = [`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ''}`];
  response.headers.forEach((value, name) => {
    if (name !== 'connection' && name !== 'content-length') head.push(`${name}: ${value}`);
  });
  head.push('connection: close', `content-length: ${body.length}`, '', '');
  socket.end(Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), body]));
}

function attach(opened: WebSocket, upgrade: Accepted, { pingMs = PING_MS }: WebSocketOptions): void {
  const reader = upgrade.open(socketOf(opened));
  let isAlive = true;
  const timer = setInterval(() => {
    if (!isAlive) return opened.terminate();
    isAlive = false;
    opened.ping();
  }, pingMs);
  opened.on('pong', () => void (isAlive = true));
  opened.on('message', (data: RawData, isBinary: boolean) => {
    isAlive = true;
    reader.message(isBinary ? new Uint8Array(data as Buffer) : data.toString());
  });
  // What is no right frame closes the socket with a code of its own; `close` follows.
  opened.on('error', () => {});
  opened.on('close', () => {
    clearInterval(timer);
    reader.closed();
  });
}

function socketOf(opened: WebSocket): ServerSocket {
  return {
    send: (text) => new Promise((resolve) => opened.send(text, () => resolve())),
    pause: () => opened.pause(),
    resume: () => opened.resume(),
    close: (code, reason) => opened.close(code, reason),
    terminate: () => opened.terminate(),
  };
}
