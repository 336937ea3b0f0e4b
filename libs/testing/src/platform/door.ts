import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * A load balancer as plain as can be: each TCP connection goes to the next server; one that is gone is passed over.
 * `stop` ends open connections: clients keep theirs for the next request.
 */
export async function startDoor(servers: readonly URL[]): Promise<{ url: string; stop(): Promise<void> }> {
  let turn = 0;
  const clients = new Set<Socket>();
  const door = createServer({ pauseOnConnect: true }, (client) => {
    clients.add(client);
    client.on('error', () => undefined).once('close', () => clients.delete(client));
    const tryNext = (left: number) => {
      const { hostname, port } = servers[turn++ % servers.length];
      const server = connect({ host: hostname, port: Number(port) });
      server.once('connect', () => {
        server.off('error', refused).on('error', () => client.destroy());
        client.once('close', () => server.destroy());
        client.pipe(server).pipe(client);
      });
      const refused = () => (left > 1 ? tryNext(left - 1) : client.destroy());
      server.once('error', refused);
    };
    tryNext(servers.length);
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  return {
    url: `http://127.0.0.1:${(door.address() as AddressInfo).port}`,
    async stop() {
      const closed = once(door, 'close');
      door.close();
      for (const client of clients) client.destroy();
      await closed;
    },
  };
}
