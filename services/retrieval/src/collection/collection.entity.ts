import { safeInteger } from '@touchstone/persistence';
import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import type { Space } from './spaces.ts';

export type { Space } from './spaces.ts';

/** A set of items that are searched together. */
@Entity({ schema: 'retrieval', name: 'collection' })
export class Collection {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly name!: string;
  @Column('jsonb') readonly spaces!: readonly Space[];
  /** Position of the last change. A writer locks this row first, so commit order is the order of positions. */
  @Column({ type: 'bigint', default: 0, transformer: safeInteger }) readonly position!: number;
  /** Counted by its writers. */
  @Column({ type: 'bigint', default: 0, transformer: safeInteger }) readonly items!: number;
  @CreateDateColumn({ type: 'timestamptz' }) readonly createdAt!: Date;
}
