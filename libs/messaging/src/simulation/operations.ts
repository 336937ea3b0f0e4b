import type { JsonObject } from '@bufbuild/protobuf';
import { type HeldOperation, LeaseLost, type OperationState, type OperationStore } from '@touchstone/operations';
import type { Tenant } from '@touchstone/runtime/tenant';
import { type Mistake, type Session, Violation } from './store.ts';

export const operationKind = 'simulation.count';
export const operationLeaseMs = 4_000;

interface OperationRow {
  readonly id: string;
  readonly tenant: Tenant;
  readonly units: number;
  state: OperationState;
  fencing: number;
  attempts: number;
  checkpoint: JsonObject | undefined;
  isCancelRequested: boolean;
  /** The last unit whose effect is committed. */
  done: number;
}

interface QueueRow {
  readonly row: OperationRow;
  owner?: string;
  expiresAt: number;
  nextAttemptAt: number;
}

/** The operations of one service, in memory; each has units of work with effects. */
export class OperationTables {
  readonly rows: OperationRow[] = [];
  queue: QueueRow[] = [];
  violation: Violation | undefined;

  constructor(private readonly mistake?: Mistake) {}

  enqueue(tenant: Tenant, id: string, units: number): void {
    if (this.rows.some((row) => row.id === id)) this.violation ??= new Violation(`${id} is enqueued twice`);
    const row: OperationRow = { id, tenant, units, state: 'queued', fencing: 0, attempts: 0, checkpoint: undefined, isCancelRequested: false, done: 0 };
    this.rows.push(row);
    this.#queue(row);
  }

  /** Notes it when the effect of a unit comes twice, out of order, or when nobody works on the operation. */
  effect(id: string, unit: number): void {
    const row = this.find(id);
    if (unit <= row.done) this.violation ??= new Violation(`${id} has the effect of unit ${unit} twice`);
    else if (unit > row.done + 1) this.violation ??= new Violation(`${id} has the effect of unit ${unit} before ${row.done + 1}`);
    if (row.state !== 'running') this.violation ??= new Violation(`${id} is ${row.state} and has the effect of unit ${unit}`);
    row.done = unit;
  }

  /** As Operations.cancel does. */
  cancel(row: OperationRow): void {
    if (row.state === 'running') row.isCancelRequested = true;
    if (row.state !== 'queued') return;
    row.state = 'cancelled';
    if (this.mistake !== 'cancelled, and still queued') this.queue = this.queue.filter((queued) => queued.row !== row);
  }

  /** As Operations.retry does. */
  retry(row: OperationRow): void {
    if (row.state !== 'failed' && row.state !== 'cancelled') return;
    Object.assign(row, { state: 'queued', isCancelRequested: false, attempts: 0 });
    this.#queue(row);
  }

  find(id: string): OperationRow {
    return this.rows.find((row) => row.id === id)!;
  }

  /** What a worker that holds an operation may do to it. @throws LeaseLost */
  held({ id, fencing }: HeldOperation): OperationRow {
    const row = this.find(id);
    const isHeld = row.state === 'running' && String(row.fencing) === fencing;
    if (!isHeld && this.mistake !== 'operations without fencing') throw new LeaseLost(`${id} is held by another worker`);
    return row;
  }

  /** Most urgent first: of the tenant with the fewest in work, of equals the one whose turn was longest ago, then the oldest. */
  due(now: number, recentTenants: readonly string[]): QueueRow | undefined {
    const busy = ({ row }: QueueRow) => this.queue.filter((other) => other.expiresAt > now && other.row.tenant.id === row.tenant.id).length;
    const rank = (queued: QueueRow) => [busy(queued), recentTenants.indexOf(queued.row.tenant.id)];
    return this.queue.filter(({ nextAttemptAt, expiresAt }) => nextAttemptAt <= now && expiresAt <= now).sort((a, b) => rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1]).at(0);
  }

  #queue(row: OperationRow): void {
    this.queue.push({ row, expiresAt: -Infinity, nextAttemptAt: -Infinity });
  }
}

/** What a worker does to the tables in one transaction, as OperationQueue does it. */
export function operationStore(session: Session, tables: OperationTables, owner: string, now: () => number, mistake?: Mistake): OperationStore {
  const queued = ({ id }: HeldOperation) => tables.queue.find(({ row }) => row.id === id);
  return {
    take: (_, recentTenants) =>
      session.transaction('take operation', () => {
        const due = tables.due(now(), recentTenants);
        if (!due) return undefined;
        const { row } = due;
        if (row.state !== 'queued' && row.state !== 'running') {
          due.nextAttemptAt = now() + 1_000;
          return undefined;
        }
        Object.assign(due, { owner, expiresAt: now() + operationLeaseMs });
        Object.assign(row, { state: 'running', fencing: row.fencing + 1, attempts: row.attempts + 1 });
        const { id, tenant, checkpoint, attempts, isCancelRequested, units } = row;
        return { id, tenant, kind: operationKind, fencing: String(row.fencing), input: { units }, checkpoint, progress: { done: 0 }, attempts, isCancelRequested };
      }),
    renew: (held) =>
      session.transaction(`renew ${held.id}`, () => {
        const row = tables.held(held);
        Object.assign(queued(held) ?? {}, { expiresAt: now() + operationLeaseMs });
        return row.isCancelRequested;
      }),
    save: async (held, checkpoint, _, effects) => {
      const write = () => Object.assign(tables.held(held), { checkpoint, attempts: 1 }).isCancelRequested;
      if (mistake === 'checkpoint apart from its effects') {
        await session.transaction(`effects of ${held.id}`, () => effects?.(undefined!));
        return session.transaction(`save ${held.id}`, write);
      }
      return session.transaction(`save ${held.id} ${JSON.stringify(checkpoint)}`, async () => {
        const isCancelRequested = write();
        await effects?.(undefined!);
        return isCancelRequested;
      });
    },
    finish: (held, _, { state }) =>
      session.transaction(`finish ${held.id} as ${state}`, () => {
        Object.assign(tables.held(held), { state, isCancelRequested: false });
        tables.queue = tables.queue.filter(({ row }) => row.id !== held.id);
      }),
    release: (held, _, { delayMs, isCounted }) =>
      session.transaction(`release ${held.id}`, () => {
        const row = tables.held(held);
        Object.assign(row, { state: 'queued', attempts: row.attempts - (isCounted ? 0 : 1) });
        Object.assign(queued(held) ?? {}, { owner: undefined, expiresAt: -Infinity, nextAttemptAt: now() + delayMs });
      }),
  };
}
