import type { JsonObject } from '@bufbuild/protobuf';
import { safeInteger } from '@touchstone/persistence';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A thing to be found, within its tenant and collection. */
@Entity({ schema: 'retrieval', name: 'item' })
export class Item {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly collection!: string;
  @PrimaryColumn('text') readonly id!: string;
  @Column('text', { default: '' }) readonly title!: string;
  @Column('text', { default: '' }) readonly body!: string;
  @Column('jsonb', { default: {} }) readonly attributes!: JsonObject;
  /** Hash of everything the caller gave; an equal write changes nothing. */
  @Column('text') readonly contentHash!: string;
  /** Position of the write in the collection's log. */
  @Column({ type: 'bigint', transformer: safeInteger }) readonly position!: number;
  @Column({ type: 'timestamptz', default: () => 'now()' }) readonly createdAt!: Date;
  @Column({ type: 'timestamptz', default: () => 'now()' }) readonly updatedAt!: Date;
}

/** The vector of one part of an item: of its text (part 0) or of its picture number `part`. */
@Entity({ schema: 'retrieval', name: 'item_vector' })
export class ItemVector {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly collection!: string;
  @PrimaryColumn('text') readonly itemId!: string;
  @PrimaryColumn('text') readonly space!: string;
  @PrimaryColumn('integer') readonly part!: number;
  @Column('text') readonly modelVersion!: string;
  /** float32, little endian, length 1. */
  @Column('bytea') readonly vector!: Buffer;
}

/** Facts about a picture whose bytes are not kept. */
@Entity({ schema: 'retrieval', name: 'item_image' })
export class ItemImage {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly collection!: string;
  @PrimaryColumn('text') readonly itemId!: string;
  @PrimaryColumn('integer') readonly part!: number;
  @Column('text') readonly sha256!: string;
  @Column('integer') readonly bytes!: number;
}

/** A deleted item, for replicas that have it still. Nothing of its content is kept. */
@Entity({ schema: 'retrieval', name: 'item_tombstone' })
export class ItemTombstone {
  @PrimaryColumn('uuid') readonly tenantId!: string;
  @PrimaryColumn('text') readonly collection!: string;
  @PrimaryColumn('text') readonly itemId!: string;
  @Column({ type: 'bigint', transformer: safeInteger }) readonly position!: number;
}
