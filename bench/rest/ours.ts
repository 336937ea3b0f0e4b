import { createPrivateKey, createPublicKey } from 'node:crypto';
import { Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type Call, type Channel, ContractServer, GrpcChannel, GrpcController, type Implementation, LocalChannel, PassErrors, type Result } from '@touchstone/contracts';
import type { HttpBodySchema } from '@touchstone/contracts/gen/google/api/httpbody_pb';
import { type CountEchoRequest, type EchoEventSchema, EchoService, type GetEchoRequest, type Note, type NoteSchema } from '@touchstone/contracts/gen/touchstone/echo/v1/echo_pb';
import { start } from '@touchstone/gateway';
import { Database, PersistenceModule } from '@touchstone/persistence';
import { CallerTokens, CallerTokenVerifier } from '@touchstone/runtime/tenant';
import { type ServerSetting, writeNote } from './note.ts';

@GrpcController(EchoService)
class EchoController implements Implementation<typeof EchoService> {
  constructor(@Inject(Database) private readonly database: Database) {}

  async echo(note: Note): Promise<Result<typeof NoteSchema>> {
    return note;
  }

  async getEcho({ id, text, numbers }: GetEchoRequest): Promise<Result<typeof NoteSchema>> {
    return { id, text, numbers, notes: [], count: 0 };
  }

  async getEchoFile({ text }: GetEchoRequest): Promise<Result<typeof HttpBodySchema>> {
    return { contentType: 'text/plain', data: Buffer.from(text), extensions: [] };
  }

  async countEcho({ note }: CountEchoRequest, { tenant }: Call): Promise<Result<typeof NoteSchema>> {
    await writeNote(this.database, tenant, note!);
    return { ...note!, count: note!.count + 1 };
  }

  async *watchEcho(): AsyncIterable<Result<typeof EchoEventSchema>> {}
}

/** The contract-first service, listening when it has a place for it. */
export async function startService({ database, publicKey }: ServerSetting, listen?: string): Promise<ContractServer> {
  const imports = [PersistenceModule.forService({ ...database, service: 'gateway', entities: [] })];
  @Module({ imports, controllers: [EchoController] })
  class EchoModule {}
  const server = new ContractServer({ services: [EchoService], verifier: new CallerTokenVerifier(createPublicKey(publicKey)), listen });
  const app = await NestFactory.createMicroservice(EchoModule, { strategy: server, logger: false });
  app.useGlobalFilters(new PassErrors());
  await app.listen();
  return server;
}

async function startGateway({ database, privateKey }: ServerSetting, channel: Channel): Promise<string> {
  const tokens = new CallerTokens(createPrivateKey(privateKey));
  const { url } = await start({ host: '127.0.0.1', port: 0, upstreams: [{ service: EchoService, channel }], tokens, database, openApi: {} });
  return url;
}

export async function startOneProcess(setting: ServerSetting): Promise<string> {
  return startGateway(setting, new LocalChannel(await startService(setting)));
}

export async function startGatewayOnly(setting: ServerSetting): Promise<string> {
  return startGateway(setting, new GrpcChannel(setting.serviceUrl));
}
