import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { log } from '@touchstone/runtime/logging';
import { CompressionStore } from './compression-store.service.ts';

const periodMs = 3_600_000;

/** Drops what is over, of all tenants: at start, then every hour, in every replica. Their blobs go by themselves. */
@Injectable()
export class CompressionSweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly store: CompressionStore) {}

  onApplicationBootstrap(): void {
    const begin = () => {
      this.running = this.store.sweep().catch((error: unknown) => log.warn({ err: error }, 'compressions whose time is over were not dropped; the next try is in an hour'));
    };
    begin();
    this.timer = setInterval(begin, periodMs).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }
}
