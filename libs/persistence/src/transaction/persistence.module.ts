import { Module, type DynamicModule } from '@nestjs/common';
import { Database, DATABASE_OPTIONS, type DatabaseOptions } from './database.ts';

/** Provides `Database` to a whole service and closes it when the application stops. Connects on first use. */
@Module({})
export class PersistenceModule {
  static forService(options: DatabaseOptions): DynamicModule {
    return {
      module: PersistenceModule,
      global: true,
      providers: [{ provide: DATABASE_OPTIONS, useValue: options }, Database],
      exports: [Database],
    };
  }
}
