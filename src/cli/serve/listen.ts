/** A fetch handler behind a port of this machine. */
import type { IncomingMessage, Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { InputError } from '../../tensor/errors.ts';
import { acceptWebSockets } from './web-sockets.ts';
import type { WebSocketOptions } from './web-sockets.ts';

export interface ListenOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** PEM texts; undefined: plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  readonly fetch: (request: Request) => Promise<Response>;
  /** What answers requests for WebSockets, and the most bytes of a message. Default: nothing does, and such requests go to `fetch`. */
  readonly sockets?: Pick<WebSocketOptions, 'upgrade' | 'messageBytes' | 'pingMs'> | undefined;
  /** Most connections at a time; one more is closed at once. Default 1,024. */
  readonly maxConnections?: number | undefined;
  /** Most milliseconds in which nothing is sent or taken on a connection that has a request; default 660,000. */
  readonly silentMs?: number | undefined;
  /** Most milliseconds in which the head of a request has to arrive; default 20,000. */
  readonly headMs?: number | undefined;
}

export interface Listener {
  /** `http://127.0.0.1:8080` */
  readonly origin: string;
  /** Takes no more connections, ends those that are idle, and resolves when all are over. */
  close(): Promise<void>;
  /** Ends every connection. */
  destroy(): void;
}

/** Balancers keep connections for a minute; one that the server ends first may cost a request. */
const KEEP_ALIVE_MS = 65_000;
const HEAD_MS = 20_000;
const SILENT_MS = 660_000;
const MOST_CONNECTIONS = 1024;

function listenError({ code }: NodeJS.ErrnoException, { host, port }: ListenOptions): InputError | undefined {
  const where = `port ${port} of ${host}`;
  const find = process.platform === 'win32' ? `netstat -ano | findstr :${port}` : `lsof -i :${port}`;
  switch (code) {
    case 'EADDRINUSE':
      return new InputError(
        `${where} is in use, perhaps by another "ingot serve": stop that ("${find}" finds it), or take another port with --port.`,
      );
    case 'EACCES':
      return new InputError(`${where} is not for this user: those below 1024 are the system's. Take another with --port.`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new InputError(`${host} is no address of this machine. Leave --host out for this machine alone, or take 0.0.0.0 for all.`);
    default:
      return undefined;
  }
}

/** Whether a request names its host twice, and not alike: as a whole URL in its first line, and in a header, which guards look at. */
function isTwoFaced({ url = '', headers }: IncomingMessage): boolean {
  return !url.startsWith('/') && (!URL.canParse(url) || new URL(url).host !== headers.host?.toLowerCase());
}

function twoFaced(): Response {
  const message = 'The host in the first line of the request is not that of its header Host.';
  const error = { message, type: 'invalid_request_error', param: null, code: 'two_hosts' };
  return Response.json({ error }, { status: 400, headers: { connection: 'close' } });
}

function open({ fetch, host, tls, headMs = HEAD_MS }: ListenOptions): HttpServer {
  const checked = (request: Request, { incoming }: { readonly incoming: unknown }) =>
    isTwoFaced(incoming as IncomingMessage) ? twoFaced() : fetch(request);
  const common = { fetch: checked, hostname: host, overrideGlobalObjects: false };
  const serverOptions = { headersTimeout: headMs, connectionsCheckingInterval: Math.min(headMs, 1000) };
  if (tls === undefined) return createAdaptorServer({ ...common, serverOptions }) as HttpServer;
  const secure = { ...serverOptions, ...tls };
  return createAdaptorServer({ ...common, createServer: createHttpsServer, serverOptions: secure }) as unknown as HttpServer;
}

/** @throws InputError for a port that is in use, not this user's, or no address of this machine */
export async function listen(options: ListenOptions): Promise<Listener> {
  const server = open(options);
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.timeout = options.silentMs ?? SILENT_MS;
  server.maxConnections = options.maxConnections ?? MOST_CONNECTIONS;
  const { sockets: ofSockets, tls } = options;
  if (ofSockets !== undefined) {
    const refuse = (incoming: IncomingMessage) => (isTwoFaced(incoming) ? twoFaced() : undefined);
    acceptWebSockets(server, { ...ofSockets, refuse, isSecure: tls !== undefined });
  }
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, options) ?? error));
    server.listen(options.port, options.host, resolve);
  });
  const { port, family, address } = server.address() as AddressInfo;
  const host = family === 'IPv6' ? `[${address}]` : address;
  return {
    origin: `${options.tls === undefined ? 'http' : 'https'}://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
    destroy: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}
