import { setTimeout as delay } from 'node:timers/promises';
import { Problem, Reason } from '@touchstone/contracts';
import type { MilvusClient } from '@zilliz/milvus2-sdk-node';

/** Milvus does not answer, or answers that it cannot now. Searches are to come again; nothing that was written is lost. */
export class MilvusUnavailable extends Problem {
  constructor(why: string, options?: ErrorOptions) {
    super({ reason: Reason.UNAVAILABLE, detail: 'The index does not answer.', retryAfterSeconds: 2 }, options);
    this.message = why;
  }
}

/** What an index had in Milvus is not there: it is to be built anew from the log. */
export class MilvusIndexLost extends MilvusUnavailable {}

const answerWithinMs = 10_000;

export interface Column {
  readonly name: string;
  readonly type: 'VarChar' | 'Int64' | 'Int32' | 'JSON';
  readonly isKey?: boolean;
}

/** A row as Milvus gives it; a 64-bit number comes as a string. */
export type MilvusRow = Readonly<Record<string, unknown>>;

/**
 * What the index needs of Milvus 2.3 and later, by its own client, which is loaded when the first one is made: nobody else pays for it.
 * Reads are Strong: they see every write that was acknowledged before.
 *
 * @throws MilvusUnavailable
 */
export class Milvus {
  private constructor(
    private readonly client: MilvusClient,
    private readonly sdk: typeof import('@zilliz/milvus2-sdk-node'),
  ) {}

  /** @param address `host:port`. Connects when it is first used, and again after each loss. */
  static async at(address: string): Promise<Milvus> {
    const sdk = await import('@zilliz/milvus2-sdk-node');
    const client = new sdk.MilvusClient({ address, logLevel: 'error', timeout: answerWithinMs, maxRetries: 1, retryDelay: 50 });
    client.connectPromise.catch(() => undefined); // each call says so itself
    return new Milvus(client, sdk);
  }

  async version(): Promise<string> {
    return (await this.call(() => this.client.getVersion())).version;
  }

  async has(name: string): Promise<boolean> {
    return Boolean((await this.call(() => this.client.hasCollection({ collection_name: name }))).value);
  }

  /** Makes a collection with a graph over its vectors, searchable at once. One that exists stays. */
  async create(name: string, description: string, columns: readonly Column[], dimension: number): Promise<void> {
    const { DataType } = this.sdk;
    const fields = columns.map(({ name, type, isKey = false }) => ({ name, data_type: DataType[type], is_primary_key: isKey, ...(type === 'VarChar' ? { max_length: 512 } : {}) }));
    await this.call(() =>
      this.client.createCollection({
        collection_name: name,
        description,
        consistency_level: 'Strong',
        fields: [...fields, { name: 'vector', data_type: DataType.FloatVector, dim: dimension }],
      }),
    );
    await this.call(() => this.client.createIndex({ collection_name: name, field_name: 'vector', index_type: 'HNSW', metric_type: 'IP', params: { M: 16, efConstruction: 200 } }));
    await this.call(() => this.client.loadCollection({ collection_name: name, timeout: 60_000 }));
  }

  async load(name: string): Promise<void> {
    await this.call(() => this.client.loadCollection({ collection_name: name, timeout: 60_000 }));
  }

  async drop(name: string): Promise<void> {
    await this.call(() => this.client.dropCollection({ collection_name: name }));
  }

  /** Closes the growing segments and waits for the graphs over them. */
  async seal(names: readonly string[]): Promise<void> {
    await this.call(() => this.client.flushSync({ collection_names: [...names] }));
    for (const name of names) {
      for (;;) {
        const { index_descriptions } = await this.call(() => this.client.describeIndex({ collection_name: name, field_name: 'vector' }));
        if (index_descriptions.every(({ state, pending_index_rows }) => String(state) === 'Finished' && Number(pending_index_rows ?? 0) === 0)) break;
        await delay(200);
      }
    }
  }

  async insert(name: string, rows: readonly object[]): Promise<void> {
    if (rows.length > 0) await this.call(() => this.client.insert({ collection_name: name, data: rows as never }));
  }

  /** Replaces the rows with the same keys. */
  async upsert(name: string, rows: readonly object[]): Promise<void> {
    if (rows.length > 0) await this.call(() => this.client.upsert({ collection_name: name, data: rows as never }));
  }

  async delete(name: string, key: string, values: readonly string[]): Promise<void> {
    if (values.length > 0) await this.call(() => this.client.delete({ collection_name: name, filter: `${key} in [${values.map((value) => JSON.stringify(value)).join(', ')}]` }));
  }

  /** Rows that fulfil the expression, in no order. */
  async query(name: string, filter: string, columns: readonly string[], limit?: number): Promise<MilvusRow[]> {
    const answer = await this.call(() =>
      this.client.query({ collection_name: name, filter, output_fields: [...columns], limit, consistency_level: this.sdk.ConsistencyLevelEnum.Strong }),
    );
    return answer.data;
  }

  async count(name: string, filter: string): Promise<number> {
    const [row] = await this.query(name, filter, ['count(*)']);
    return Number(row['count(*)']);
  }

  /** Rows by inner product, best first, each with `score`. @param ef how far the graph is searched, at least `limit`. */
  async search(name: string, vector: Float32Array, { filter, columns, limit, ef }: { filter: string; columns: readonly string[]; limit: number; ef: number }): Promise<MilvusRow[]> {
    const answer = await this.call(() =>
      this.client.search({
        collection_name: name,
        data: Array.from(vector),
        filter,
        limit,
        output_fields: [...columns],
        params: { ef },
        consistency_level: this.sdk.ConsistencyLevelEnum.Strong,
      }),
    );
    return answer.results;
  }

  async close(): Promise<void> {
    await this.client.closeConnection().catch(() => undefined);
  }

  private async call<Answer extends object>(ask: () => Promise<Answer>): Promise<Answer> {
    let answer: Answer;
    try {
      answer = await ask();
    } catch (cause) {
      throw unavailable((cause as Error).message, cause);
    }
    const status = ('status' in answer ? answer.status : answer) as { error_code?: string | number; code?: number; reason?: string };
    const isWell = (status.error_code ?? 'Success') === 'Success' && (status.code ?? 0) === 0;
    if (!isWell) throw unavailable(status.reason ?? String(status.error_code));
    return answer;
  }
}

/** @returns what answers at an address. @throws MilvusUnavailable */
export async function milvusVersion(address: string): Promise<string> {
  const milvus = await Milvus.at(address);
  try {
    return await milvus.version();
  } finally {
    await milvus.close();
  }
}

function unavailable(reason: string, cause?: unknown): MilvusUnavailable {
  const isLost = /collection not found|can't find collection|collection not loaded|not.*been loaded/i.test(reason);
  return new (isLost ? MilvusIndexLost : MilvusUnavailable)(`Milvus: ${reason}`, { cause });
}
