import type { Health, Running } from '@touchstone/runtime/lifecycle';
import { log } from '@touchstone/runtime/logging';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../postgres/embedded-postgres.ts';

const restartAfterMs = 1_000;

/** The laptop's PostgreSQL, kept running: when it ends by itself, it is started again on the same socket. */
export class EmbeddedDatabase implements Running {
  private isStopping = false;
  private lastError: Error | undefined;

  private constructor(
    private readonly dataDir: string,
    private postgres: EmbeddedPostgres,
  ) {
    this.watch();
  }

  static async start(dataDir: string): Promise<EmbeddedDatabase> {
    return new EmbeddedDatabase(dataDir, await startEmbeddedPostgres({ dataDir }));
  }

  /** Connection URL; the superuser's without a role. */
  url(role?: string): string {
    return this.postgres.url(role);
  }

  async health(): Promise<Health[]> {
    return [{ part: 'embedded PostgreSQL', isReady: !this.lastError, ...(this.lastError ? { detail: this.lastError.message } : {}) }];
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.postgres.stop();
  }

  private watch(): void {
    void this.postgres.ended.then(async () => {
      if (this.isStopping) return;
      this.lastError = new Error('PostgreSQL ended and is being started again');
      log.error('the embedded PostgreSQL ended; it is started again');
      await this.postgres.stop().catch(() => undefined);
      while (!this.isStopping) {
        try {
          this.postgres = await startEmbeddedPostgres({ dataDir: this.dataDir });
          this.lastError = undefined;
          this.watch();
          return;
        } catch (error) {
          if (this.lastError?.message !== (error as Error).message) log.error({ err: error }, 'the embedded PostgreSQL does not start; it is tried again every second');
          this.lastError = error as Error;
          await new Promise((resolve) => setTimeout(resolve, restartAfterMs));
        }
      }
    });
  }
}
