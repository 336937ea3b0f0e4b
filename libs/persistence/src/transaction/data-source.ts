import { DataSource, type EntitySchema } from 'typeorm';
import { SnakeCaseNaming } from './snake-case-naming.ts';

export interface DataSourceOptions {
  /** `postgresql://role:password@host/database`; a folder in `?host=` means its Unix socket. */
  url: string;
  /** Schema of the service; entities name it too. */
  service: string;
  entities: (Function | EntitySchema)[];
  /** Connections of one pool. Default 10. */
  poolSize?: number;
  /** Longest wait for a free or new connection. Default 5,000. */
  connectTimeoutMs?: number;
  /** Longest wait for one answer, for a server that no longer answers at all. Default 330,000. */
  answerTimeoutMs?: number;
}

/** A TypeORM data source for one role. It does not connect; names are snake_case in PostgreSQL. */
export function createDataSource({ url, service, entities, poolSize = 10, connectTimeoutMs = 5_000, answerTimeoutMs = 330_000 }: DataSourceOptions): DataSource {
  return new DataSource({
    type: 'postgres',
    schema: service,
    entities,
    namingStrategy: new SnakeCaseNaming(),
    poolSize,
    connectTimeoutMS: connectTimeoutMs,
    applicationName: `touchstone ${service}`,
    logging: false,
    extra: {
      connectionString: url,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      idleTimeoutMillis: 60_000,
      query_timeout: answerTimeoutMs,
    },
  });
}
