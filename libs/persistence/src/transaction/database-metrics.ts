import { durationBuckets, Histogram, ObservedGauge, registry } from '@touchstone/runtime/metrics';
import type { Pool } from 'pg';
import type { DataSource } from 'typeorm';

const connections = new ObservedGauge({
  name: 'touchstone_database_connections',
  help: 'Connections of a service\'s pools by role (tenants, system) and state: busy, idle; waiting are callers without one.',
  labelNames: ['service', 'role', 'state'],
});

const durations = new Histogram({
  name: 'touchstone_database_transaction_duration_seconds',
  help: 'Transactions, with the wait for a connection.',
  labelNames: ['service', 'role', 'outcome'],
  buckets: durationBuckets,
  registers: [registry],
});

export type Role = 'tenants' | 'system';

export function noteTransaction(service: string, role: Role, seconds: number, error?: unknown): void {
  durations.observe({ service, role, outcome: error === undefined ? 'ok' : 'error' }, seconds);
}

/** @returns how to end it. */
export function observePools(service: string, sources: Readonly<Record<Role, DataSource>>): () => void {
  return connections.observe((set) => {
    for (const [role, source] of Object.entries(sources)) {
      if (!source.isInitialized) continue;
      const { totalCount, idleCount, waitingCount } = (source.driver as unknown as { master: Pool }).master;
      for (const [state, count] of Object.entries({ busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount })) set({ service, role, state }, count);
    }
  });
}
