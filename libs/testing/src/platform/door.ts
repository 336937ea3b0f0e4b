import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/** A load balancer as plain as can be: each TCP connection goes to the next server; one that is gone is passed over. */
export async function startDoor(servers: readonly URL[]): Promise<{ url: string; stop(): Promise<void> }> {
  let turn = 0;
  const door = createServer({ pauseOnConnect: true }, (client) => {
    client.on('error', () => undefined);
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
    stop: () => new Promise((resolve) => door.close(() => resolve())),
  };
}
