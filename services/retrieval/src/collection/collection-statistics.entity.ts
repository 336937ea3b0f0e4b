import { safeInteger } from '@touchstone/persistence';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What happened in a collection, counted from the item events. */
@Entity({ schema: 'retrieval', name: 'collection_statistics' })
export class CollectionStatistics {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly collection!: string;
  @Column({ type: 'bigint', default: 0, transformer: safeInteger }) readonly items!: number;
  @Column({ type: 'bigint', default: 0, transformer: safeInteger }) readonly images!: number;
  @Column({ type: 'bigint', default: 0, transformer: safeInteger }) readonly upserts!: number;
  @Column({ type: 'bigint', default: 0, transformer: safeInteger }) readonly deletes!: number;
  @Column({ type: 'timestamptz', nullable: true }) readonly lastChangeAt!: Date | null;
}
