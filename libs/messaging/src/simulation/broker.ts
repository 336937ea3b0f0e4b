import { kafkaOffset, orderingKey, type StoredEvent } from '../outbox/stored-event.ts';
import type { Assignment } from '../kafka/assignment.ts';

const partitions = 3;
export const sessionMs = 3_000;
const topic = 'topic';

interface Member {
  readonly name: string;
  heartbeatAt: number;
  generation: number;
  /** The partitions of its generation. */
  assigned: readonly number[];
}

/** A topic and one consumer group, with the faults of both: a generation that ended is known to its members late. */
export class Broker {
  readonly log: StoredEvent[][] = Array.from({ length: partitions }, () => []);
  readonly committed: number[] = Array.from({ length: partitions }, () => 0);
  readonly #members = new Map<string, Member>();
  #generation = 0;

  append(events: readonly StoredEvent[]): void {
    for (const event of events) {
      const partition = [...orderingKey(event)].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) % partitions;
      const offset = this.log[partition].length;
      this.log[partition].push({ ...event, id: String(offset), headers: { ...event.headers, [kafkaOffset]: `${topic}/${partition}/${offset}` } });
    }
  }

  /** A heartbeat; expires others. @returns what the member has now. */
  heartbeat(name: string, now: number): Member {
    let isChanged = false;
    for (const member of this.#members.values()) if (member.heartbeatAt + sessionMs <= now) isChanged = this.#members.delete(member.name);
    const known = this.#members.get(name);
    if (known) known.heartbeatAt = now;
    else {
      this.#members.set(name, { name, heartbeatAt: now, generation: 0, assigned: [] });
      isChanged = true;
    }
    if (isChanged) {
      this.#generation += 1;
      const members = [...this.#members.values()];
      for (const [index, member] of members.entries()) {
        member.generation = this.#generation;
        member.assigned = this.log.map((_, partition) => partition).filter((partition) => partition % members.length === index);
      }
    }
    return this.#members.get(name)!;
  }

  /** Breaks the group: every member joins a new generation. */
  rebalance(): void {
    this.#members.clear();
  }

  /** @throws Error when the generation has ended. */
  commit(name: string, generation: number, partition: number, offset: number): void {
    if (this.#members.get(name)?.generation !== generation) throw new Error('illegal generation');
    this.committed[partition] = offset;
  }

  /** Hands a few events to an assignment. */
  fetch(assignment: Assignment, partition: number, from: number, limit: number): void {
    const events = this.log[partition].slice(from, from + limit);
    if (events.length > 0) assignment.add({ topic, partition, from, next: from + events.length, messages: [] }, events);
  }

  get topic(): string {
    return topic;
  }
}
