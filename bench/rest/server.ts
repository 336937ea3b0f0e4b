// One server of the benchmark, as its own process: tells its parent its URL, then its CPU time whenever it is asked.
import type { ServerSetting } from './note.ts';
import { startGatewayOnly, startOneProcess, startService } from './ours.ts';
import { startPeer } from './peer.ts';

const setting = JSON.parse(process.argv[2]) as ServerSetting;
const starts: Record<ServerSetting['role'], () => Promise<string>> = {
  peer: () => startPeer(setting),
  'one-process': () => startOneProcess(setting),
  gateway: () => startGatewayOnly(setting),
  service: async () => {
    await startService(setting, setting.serviceUrl);
    return setting.serviceUrl;
  },
};
process.on('message', () => process.send!({ cpu: process.cpuUsage() }));
process.on('disconnect', () => process.exit(0));
process.send!({ url: await starts[setting.role]() });
