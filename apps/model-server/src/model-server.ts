import { Server, ServerCredentials } from '@grpc/grpc-js';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { availableParallelism } from 'node:os';

import { grpcService, inferenceHandlers } from './inference-service.ts';
import { stderrLog, type Log } from './log.ts';
import { ModelRepository } from './model-repository.ts';

export interface ModelServerOptions {
  /** Folder in Triton's layout; may be absent or fill later. */
  modelRepository: string;
  /** `unix:/path`, or `host:port`; port 0 takes a free one. */
  listen: string;
  /** Threads of one run. Default: cores - 1, at least 1. */
  threads?: number;
  /** How often the repository is looked at for new and changed files. Default 1 s; 0 never looks again. */
  pollMs?: number;
  /** Largest message in either direction. Default 256 MiB. */
  maxMessageBytes?: number;
  log?: Log;
}

export interface ModelServer {
  /** What a client connects to. */
  url: string;
  /** Refuses new calls, lets running ones finish for up to 10 s, frees the models. */
  stop(): Promise<void>;
}

/**
 * Listens at once and loads models behind that: a model that is not there yet answers UNAVAILABLE with the reason.
 *
 * @throws Error when the address cannot be bound.
 */
export async function startModelServer({
  modelRepository,
  listen,
  threads = Math.max(1, availableParallelism() - 1),
  pollMs = 1_000,
  maxMessageBytes = 256 * 1024 * 1024,
  log = stderrLog,
}: ModelServerOptions): Promise<ModelServer> {
  const repository = new ModelRepository(modelRepository, threads, log);
  const server = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
  });
  server.addService(...grpcService(inferenceHandlers(repository)));
  await removeStaleSocket(listen);
  const port = await bind(server, listen);
  const url = listen.startsWith('unix:') ? listen : listen.replace(/:\d+$/, `:${port}`);
  log('info', 'listening', { url, modelRepository, threads });

  let isScanning = false;
  const scan = async () => {
    if (isScanning) return;
    isScanning = true;
    await repository.scan().finally(() => (isScanning = false));
  };
  void scan();
  const timer = pollMs > 0 ? setInterval(scan, pollMs) : undefined;

  return {
    url,
    async stop() {
      clearInterval(timer);
      await shutDown(server);
      await repository.close();
      if (listen.startsWith('unix:')) await rm(listen.slice('unix:'.length), { force: true });
      log('info', 'stopped');
    },
  };
}

/** A server that was killed leaves its socket behind; one that answers keeps it, and `bind` says so. */
async function removeStaleSocket(listen: string): Promise<void> {
  if (!listen.startsWith('unix:')) return;
  const path = listen.slice('unix:'.length);
  const isStale = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  if (isStale) await rm(path, { force: true });
}

function bind(server: Server, listen: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(listen, ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(new Error(`cannot listen on ${listen}: ${error.message}`, { cause: error }));
      else resolve(port);
    });
  });
}

function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.forceShutdown(), 10_000);
    server.tryShutdown(() => {
      clearTimeout(force);
      resolve();
    });
  });
}
