/** A fetch handler behind a port of this machine. */
import type { Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { InputError } from '../../tensor/errors.ts';

export interface ListenOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** PEM texts; undefined: plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  readonly fetch: (request: Request) => Promise<Response>;
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

function open(options: ListenOptions): HttpServer {
  const { fetch, host, tls } = options;
  const common = { fetch, hostname: host, overrideGlobalObjects: false };
  if (tls === undefined) return createAdaptorServer(common) as HttpServer;
  return createAdaptorServer({ ...common, createServer: createHttpsServer, serverOptions: tls }) as unknown as HttpServer;
}

/** @throws InputError for a port that is in use, not this user's, or no address of this machine */
export async function listen(options: ListenOptions): Promise<Listener> {
  const server = open(options);
  server.keepAliveTimeout = KEEP_ALIVE_MS;
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
